/**
 * `node health.mjs [port]`: the health check of a container. Exit code 0 when the Baton process beside it answers
 * `/healthz`: a worker on its metrics port, an API on the port that is given. Plain JavaScript without dependencies: it
 * runs every few seconds in every container.
 */
import { Agent, get } from "node:http";

const PORT_DEFAULT = "9464";
const WITHIN_MS = 4_000;

const port = process.argv[2] || process.env.BATON_METRICS_PORT || PORT_DEFAULT;
const host = process.env.BATON_METRICS_HOST || "127.0.0.1";
const target = {
  host: host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host,
  port,
  path: "/healthz",
  // An agent of its own never goes through a proxy that the environment names.
  agent: new Agent(),
  timeout: WITHIN_MS,
};

const request = get(target, (response) => {
  response.resume();
  report(response.statusCode === 200, `/healthz answered ${response.statusCode}`);
});
request.on("timeout", () => request.destroy(new Error(`no answer in ${WITHIN_MS} ms`)));
request.on("error", (error) => report(false, error.message));

/** What is said stands in `docker inspect`. */
function report(isHealthy, why) {
  process.stdout.write(`${isHealthy ? "healthy" : "unhealthy"}: ${why}\n`);
  process.exitCode = isHealthy ? 0 : 1;
}
