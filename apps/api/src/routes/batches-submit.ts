/** `POST /v1/batches`: the body is the batch file, read as it comes. */
import type { Readable } from "node:stream";
import { wireBatchSchema } from "@baton/producer";
import { listWorkers } from "@baton/store";
import type { FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-context.ts";
import { readIncoming } from "../batches/incoming.ts";
import { openModelCheck } from "../batches/model-check.ts";
import { receiveBatch } from "../batches/receive-batch.ts";
import { tooLarge } from "../batches/spool.ts";
import {
  readUploadOptions,
  uploadHeadersSchema,
  uploadQuerySchema,
  wrongMediaType,
} from "../batches/upload-options.ts";
import { UploadPlaces } from "../batches/upload-places.ts";
import { allowSlowBody } from "../hardening/slow-bodies.ts";
import { answerAct } from "../ndjson/answer-act.ts";
import { problemSchema } from "../problem.ts";

const MEDIA_TYPES = [
  ...["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"],
  ...["text/plain", "text/csv"],
];

const badLines = z.array(z.object({ line: z.int(), custom_id: z.string().optional(), reason: z.string() }));

const submittedSchema = wireBatchSchema.extend({
  submission: z.object({
    created: z.int().describe("Lines that became runs now."),
    known: z.int().describe("Lines that were runs already."),
    conflicts: z
      .int()
      .describe(
        "Lines whose custom id names a run with another body in this batch: that run stays as it is.",
      ),
    invalid: z.int().describe("Lines that were left out, as `skip_invalid` says."),
    conflict_lines: z
      .array(z.object({ line: z.int(), custom_id: z.string(), run: z.string() }))
      .describe("The first hundred."),
    bad_lines: badLines.describe("The first hundred."),
    unserved_models: z.array(z.string()).describe("Models that no live worker serves now."),
  }),
});

const checkedSchema = z.object({
  id: z.string().describe("What the batch would be called."),
  runs: z.int(),
  invalid: z.int(),
  bad_lines: badLines,
  unserved_models: z.array(z.string()),
});

const DESCRIPTION = `The body is a batch file: lines \`{"custom_id", "body"}\` with a run spec as body, lines of OpenAI's \
batch files, or CSV with a template. The whole file is checked first: when a line is wrong, it is told with its number and \
nothing is submitted. The answer comes when all runs are in; a client that was cut sends the same file again, and no line \
becomes a run twice. With \`Accept: application/x-ndjson\` progress is told meanwhile.`;

export function addBatchSubmit(app: ApiApp, context: ApiContext): void {
  const places = new UploadPlaces(context.config.api.batchUploadsMax);
  // Within this scope alone a body is a stream.
  void app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    for (const type of MEDIA_TYPES) {
      scope.addContentTypeParser(type, (_request, body, parsed) => parsed(null, body));
    }
    scope.addContentTypeParser("*", (_request, _body, parsed) => parsed(wrongMediaType()));
    addRoute(scope.withTypeProvider<ZodTypeProvider>(), context, places);
    done();
  });
}

function addRoute(app: ApiApp, context: ApiContext, places: UploadPlaces): void {
  app.route({
    method: "POST",
    url: "/v1/batches",
    config: { scope: "submit" },
    schema: {
      operationId: "submitBatch",
      tags: ["batches"],
      summary: "Submit a batch file",
      description: DESCRIPTION,
      querystring: uploadQuerySchema,
      headers: uploadHeadersSchema,
      response: { 200: checkedSchema, 202: submittedSchema, "4xx": problemSchema, "5xx": problemSchema },
    },
    handler: (request, reply) =>
      answerAct(request, reply, async (live) => {
        await using incoming = readIncoming(bodyOf(request));
        using _slow = allowSlowBody(request.raw.socket);
        using _place = places.take(request.principal.keyId);
        const { query, headers } = request;
        const contentType = request.raw.headers["content-type"];
        const options = readUploadOptions(query, headers["baton-defaults"], contentType);
        const bytesMax = context.config.api.batchBytesMax;
        if (Number(request.raw.headers["content-length"] ?? 0) > bytesMax) throw tooLarge(bytesMax);
        const workers = await listWorkers(context.store.connection);
        const patterns = workers.flatMap((worker) => worker.patterns);
        return await receiveBatch({
          runs: context.runsOf(request),
          source: incoming.chunks,
          options,
          files: context.files,
          models: openModelCheck(context.config, patterns),
          bytesMax,
          place: context.uploads,
          live,
          stopping: context.stopping,
        });
      }),
  });
}

function bodyOf(request: FastifyRequest): Readable {
  // The parsers above give the body as it comes; without a body the request itself has none either.
  return (request.body ?? request.raw) as Readable;
}
