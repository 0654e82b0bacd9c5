/** `GET /v1/models`: the models that live workers serve, in OpenAI's shape. */
import {
  DEFAULT_STRENGTHS,
  type ModelId,
  matchesModelPattern,
  modelIdSchema,
  splitModelId,
} from "@baton/core";
import { isServing, type LiveWorker, listPools, listWorkers } from "@baton/store";
import { z } from "zod";
import { openAiErrors } from "../answers/error-handler.ts";
import { modelNotFound, resolveModel } from "../answers/model-names.ts";
import { openAiErrorSchema } from "../answers/openai-problem.ts";
import type { ApiApp, ApiContext } from "../api-context.ts";

const modelSchema = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: z.int().describe("OpenAI's field for when the model came out, which is not known here: 0."),
  created_at: z.iso.datetime().describe("The same, as Dedalus has it."),
  owned_by: z.string().describe("The provider."),
  provider: z.string(),
});

export function addModels(app: ApiApp, context: ApiContext): void {
  const { store, config } = context;
  app.route({
    method: "GET",
    url: "/v1/models",
    config: { scope: "read" },
    errorHandler: openAiErrors,
    schema: {
      operationId: "listModels",
      tags: ["openai"],
      summary: "List the models that live workers serve",
      response: {
        200: z.object({ object: z.literal("list"), data: z.array(modelSchema) }),
        "4xx": openAiErrorSchema,
        "5xx": openAiErrorSchema,
      },
    },
    async handler() {
      const workers = await listWorkers(store.connection);
      const pools = await listPools(store.connection, store.shards);
      const ids = [...Object.keys(config.models), ...Object.keys(DEFAULT_STRENGTHS)];
      const known = [
        ...pools,
        ...ids.map((id) => modelIdSchema.parse(id)),
        ...workers.flatMap(exactPatterns),
      ];
      const served = [...new Set(known)].filter((id) => isServed(id, workers)).sort();
      return { object: "list" as const, data: served.map(modelOf) };
    },
  });

  app.route({
    method: "GET",
    url: "/v1/models/:model",
    config: { scope: "read" },
    errorHandler: openAiErrors,
    schema: {
      operationId: "getModel",
      tags: ["openai"],
      summary: "Look a served model up",
      params: z.object({ model: z.string().min(1).max(200) }),
      response: { 200: modelSchema, "4xx": openAiErrorSchema, "5xx": openAiErrorSchema },
    },
    async handler(request) {
      const { model: name } = request.params;
      const id = resolveModel(name, config, "model");
      if (!isServed(id, await listWorkers(store.connection))) throw modelNotFound(name, "model");
      return modelOf(id);
    },
  });
}

function isServed(id: ModelId, workers: readonly LiveWorker[]): boolean {
  return workers.some((worker) => isServing(worker, id));
}

/** The models that a worker names one by one. */
function exactPatterns({ patterns }: LiveWorker): readonly ModelId[] {
  return patterns.flatMap((pattern) => {
    const id = modelIdSchema.safeParse(pattern);
    return id.success && matchesModelPattern(pattern, id.data) && !pattern.endsWith("*") ? [id.data] : [];
  });
}

function modelOf(id: ModelId) {
  const { provider } = splitModelId(id);
  const created_at = new Date(0).toISOString();
  return { id, object: "model" as const, created: 0, created_at, owned_by: provider, provider };
}
