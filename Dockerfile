# One image for every role: `baton worker …`, `baton api …`, and the rest of the command line. Nothing is compiled: Node runs the
# TypeScript sources as they are. Builds with BuildKit and with the classic builder.
#
#   docker build -t baton .
#   docker run --rm -e BATON_REDIS_URL=redis://… -e OPENAI_API_KEY baton worker -m 'openai/*'
#
# BASE_IMAGE brings Node 24 or newer on Debian. BUILD_IMAGE, where dependencies are installed, may differ from it where
# npm needs settings of its own (a proxy's certificate, a mirror, a token): none of them reaches the image. A `.npmrc` of the
# checkout does not go to the engine.
ARG BASE_IMAGE=node:24-bookworm-slim
ARG BUILD_IMAGE=${BASE_IMAGE}

# The manifests alone, so that a change of a source does not install again. The labels of these two stages name what the
# classic builder leaves behind: docker image prune --filter label=dev.baton.stage
FROM ${BUILD_IMAGE} AS manifests
LABEL dev.baton.stage="manifests"
WORKDIR /app
COPY . .
RUN find . -type f ! -name package.json ! -name package-lock.json -delete \
  && find . -type d -empty -delete

# What is optional are the Node binaries that the lockfile pins for checkouts (here the base image's Node runs) and what
# tests share with packages that could do without it.
FROM ${BUILD_IMAGE} AS dependencies
LABEL dev.baton.stage="dependencies"
WORKDIR /app
COPY --from=manifests /app ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM ${BASE_IMAGE}
# PID 1 passes signals on from the first moment, also before Baton listens to them, and buries the processes that MCP
# servers leave behind.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log
WORKDIR /app
COPY --from=dependencies /app ./
COPY . .
# A volume at /data takes its owner from here.
RUN ln -s /app/apps/cli/bin/baton.cjs /usr/local/bin/baton && mkdir config && install -d -o 1000 -g 1000 /data
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Baton" \
  org.opencontainers.image.description="LLM jobs that pass from model to model, durably, on BullMQ and Redis." \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
# Nothing is written but below /tmp (by npx, for MCP servers) and in the data folder (files of batches that come in by the API),
# so the root may be read-only. Redis is elsewhere.
ENV NODE_ENV=production HOME=/tmp BATON_DATA_DIR=/tmp/baton BATON_METRICS_PORT=9464
# Baton reads its configuration from the working folder; below /app, a baton.config.ts finds @baton/core.
WORKDIR /app/config
USER 1000:1000
STOPSIGNAL SIGTERM
# Of a worker. An API answers at its own port: `--health-cmd 'node /app/apps/worker/bin/health.mjs 4800'`.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "/app/apps/worker/bin/health.mjs"]
ENTRYPOINT ["tini", "--", "baton"]
CMD ["--help"]
