/**
 * The run spec: what a producer submits, in the wire's snake_case. Every input has a bound; past it the parse
 * fails with a sentence that names the field and the bound, and nothing is written.
 */
import { z } from "zod";
import { describeIssues } from "./describe-issues.ts";
import { BatonError } from "./error.ts";
import { type ModelId, modelIdSchema } from "./model-id.ts";

export const SPEC_LIMITS = {
  inputCharsMax: 1_000_000,
  messagesMax: 1_000,
  modelsMax: 16,
  phasesMax: 64,
  serversMax: 32,
  toolsMax: 128,
  metadataKeysMax: 32,
  fileBytesMax: 20_000_000,
} as const;

const text = z.string().max(SPEC_LIMITS.inputCharsMax);

/** Settings of a model call. What a model does not take is dropped with an event, never sent to fail. */
export const modelSettingsSchema = z.strictObject({
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().min(0).max(1).optional(),
  max_output_tokens: z.int().min(1).max(1_000_000).optional(),
  effort: z.enum(["minimal", "low", "medium", "high", "max"]).optional(),
  /** How much the model says; a model that knows no such word says what it does. */
  verbosity: z.enum(["low", "medium", "high"]).optional(),
  /** Whether the model shows its thinking; `budget_tokens` for the models that take a number. */
  thinking: z
    .union([
      z.literal("off"),
      z.literal("adaptive"),
      z.strictObject({ budget_tokens: z.int().min(1024).max(200_000) }),
    ])
    .optional(),
  parallel_tool_calls: z.boolean().optional(),
  stop: z.array(z.string().min(1)).max(4).optional(),
  seed: z.int().optional(),
});
export type ModelSettings = z.infer<typeof modelSettingsSchema>;

export const modelChoiceSchema = z.union([
  modelIdSchema,
  z.strictObject({ model: modelIdSchema, settings: modelSettingsSchema.default({}) }),
]);

export const contentPartSchema = z.union([
  z.strictObject({ type: z.literal("text"), text }),
  z.strictObject({
    type: z.literal("image_url"),
    image_url: z.strictObject({
      url: z.string().max(SPEC_LIMITS.fileBytesMax),
      detail: z.enum(["auto", "low", "high"]).optional(),
    }),
  }),
  z.strictObject({
    type: z.literal("file"),
    file: z.strictObject({
      /** A `data:` URL. */
      file_data: z.string().max(SPEC_LIMITS.fileBytesMax),
      filename: z.string().max(255).optional(),
    }),
  }),
]);
export type ContentPart = z.infer<typeof contentPartSchema>;

/** A message in the form of OpenAI's chat completions, which is also Dedalus's. */
export const messageSchema = z.union([
  z.strictObject({
    role: z.enum(["system", "developer", "user"]),
    content: z.union([text, z.array(contentPartSchema).min(1)]),
    name: z.string().max(64).optional(),
  }),
  z.strictObject({
    role: z.literal("assistant"),
    content: z.union([text, z.array(contentPartSchema)]).nullish(),
    name: z.string().max(64).optional(),
    refusal: z.string().nullish(),
    tool_calls: z
      .array(
        z.strictObject({
          id: z.string().min(1).max(200),
          type: z.literal("function"),
          function: z.strictObject({ name: z.string().min(1).max(200), arguments: text }),
        }),
      )
      .optional(),
  }),
  z.strictObject({
    role: z.literal("tool"),
    tool_call_id: z.string().min(1).max(200),
    content: z.union([text, z.array(contentPartSchema)]),
    name: z.string().max(200).optional(),
  }),
]);
export type Message = z.infer<typeof messageSchema>;

export const toolChoiceSchema = z.union([
  z.enum(["auto", "none", "required"]),
  z.strictObject({ name: z.string().min(1).max(64) }),
]);
export type ToolChoice = z.infer<typeof toolChoiceSchema>;

export const responseFormatSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text") }),
  z.strictObject({ type: z.literal("json_object") }),
  z.strictObject({
    type: z.literal("json_schema"),
    json_schema: z.strictObject({
      name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
      description: z.string().max(2_000).optional(),
      schema: z.record(z.string(), z.unknown()),
      strict: z.boolean().nullish(),
    }),
  }),
]);
export type ResponseFormat = z.infer<typeof responseFormatSchema>;

/** Who takes over when a model fails for good: on exhausted attempts, an outage, or a conversation that is too long. */
export const fallbackSchema = z.union([
  z.array(modelIdSchema).max(SPEC_LIMITS.modelsMax),
  z.strictObject({
    models: z.array(modelIdSchema).max(SPEC_LIMITS.modelsMax),
    /** Also when it refuses to answer, or a content filter cuts its reply. */
    on_refusal: z.boolean().default(false),
  }),
]);
export type Fallback = z.infer<typeof fallbackSchema>;

export const budgetSchema = z.strictObject({
  /** Input and output tokens together. */
  tokens: z.int().min(1).optional(),
  usd: z.number().positive().optional(),
});
export type Budget = z.infer<typeof budgetSchema>;

const seconds = z
  .number()
  .positive()
  .max(30 * 86_400);

/** The models of a fallback in either form. */
export function fallbackModels(fallback: Fallback | undefined): readonly ModelId[] {
  if (fallback === undefined) return [];
  return "models" in fallback ? fallback.models : fallback;
}

/** One step of a pipeline: it ends by handing to the next. */
export const pipelinePhaseSchema = z.strictObject({
  name: z.string().min(1).max(64).optional(),
  model: modelIdSchema,
  instructions: text.optional(),
  settings: modelSettingsSchema.optional(),
  mcp_servers: z.array(z.string().min(1).max(2_000)).max(SPEC_LIMITS.serversMax).optional(),
  tools: z.array(z.string().min(1).max(64)).max(SPEC_LIMITS.toolsMax).optional(),
  max_turns: z.int().min(1).max(1_000).optional(),
  /** Goes over the run's. */
  fallback: fallbackSchema.optional(),
  /** Seconds of work; goes over the run's `phase_timeout`. */
  timeout: seconds.optional(),
});

/** A tool by its name in the configuration, or a client's own function, which is never run here. */
export const toolSpecSchema = z.union([
  z.string().min(1).max(64),
  z.strictObject({
    type: z.literal("function"),
    function: z.strictObject({
      name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
      // Coding agents put whole handbooks there.
      description: z.string().max(32_000).optional(),
      parameters: z.record(z.string(), z.unknown()).optional(),
      strict: z.boolean().nullish(),
    }),
  }),
]);

const specShape = z.strictObject({
  input: z.union([text.min(1, "input is empty"), z.array(contentPartSchema).min(1)]).optional(),
  messages: z.array(messageSchema).min(1).max(SPEC_LIMITS.messagesMax).optional(),
  instructions: text.optional(),
  model: z
    .union([
      modelIdSchema,
      z.array(modelChoiceSchema).min(1, "the model list is empty").max(SPEC_LIMITS.modelsMax),
    ])
    .optional(),
  phases: z
    .array(pipelinePhaseSchema)
    .min(1, "the phase list is empty")
    .max(SPEC_LIMITS.phasesMax)
    .optional(),
  settings: modelSettingsSchema.optional(),
  mcp_servers: z.array(z.string().min(1).max(2_000)).max(SPEC_LIMITS.serversMax).optional(),
  tools: z.array(toolSpecSchema).max(SPEC_LIMITS.toolsMax).optional(),
  tool_choice: toolChoiceSchema.optional(),
  /**
   * What a call of the caller's own function does. `wait` (the default): the run waits for the result. `end`: the run
   * succeeds with the call open, and the caller brings the result to a new run.
   */
  client_tools: z.enum(["wait", "end"]).optional(),
  policy: z.string().min(1).max(64).optional(),
  response_format: responseFormatSchema.optional(),
  max_turns: z.int().min(1).max(1_000).optional(),
  max_handoffs: z.int().min(0).max(1_000).optional(),
  /** Checked before each model call; at a bound the run waits, and can be resumed with more. */
  budget: budgetSchema.optional(),
  /** Seconds for the whole run, from its submission. */
  timeout: seconds.optional(),
  /** Seconds of work for each phase: what it waits in a queue, for a backoff or for people does not count. */
  phase_timeout: seconds.optional(),
  /** Seconds for each model call; the configuration's `modelCallMs` where it is shorter. */
  call_timeout: seconds.optional(),
  fallback: fallbackSchema.optional(),
  handoff: z.strictObject({ context: z.enum(["full", "brief"]).default("full") }).optional(),
  /** 1 (first) to 2,000,000 (last), as BullMQ counts; absent: first come, first served, ahead of all numbers. */
  priority: z.int().min(1).max(2_000_000).optional(),
  /** ISO 8601; the run is not started before. */
  run_at: z.iso.datetime({ offset: true }).optional(),
  metadata: z
    .record(z.string().min(1).max(64), z.string().max(512))
    .refine((all) => Object.keys(all).length <= SPEC_LIMITS.metadataKeysMax, "metadata has at most 32 keys")
    .meta({ maxProperties: SPEC_LIMITS.metadataKeysMax })
    .optional(),
});

export const runSpecSchema = specShape.superRefine((spec, context) => {
  const fail = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
  if ((spec.input === undefined) === (spec.messages === undefined)) {
    fail("input", "give either input or messages, and one of them alone");
  }
  if ((spec.model === undefined) === (spec.phases === undefined)) {
    fail("model", "give either model (one, or a list) or phases, and one of them alone");
  }
  if (Array.isArray(spec.model)) {
    const ids = spec.model.map((choice) => (typeof choice === "string" ? choice : choice.model));
    if (new Set(ids).size < ids.length) fail("model", "a model stands in the list twice");
  }
  if (spec.messages !== undefined && spec.messages.at(-1)?.role === "assistant") {
    fail("messages", "the last message is the assistant's: end with a user or tool message");
  }
  if ([spec, ...(spec.phases ?? [])].some(({ mcp_servers: servers = [] }) => servers.some(hasLogin))) {
    fail("mcp_servers", "a URL carries a user name or password: configure the server, and name it");
  }
});

/** A spec is kept and shown, so it carries no secret (R9). */
function hasLogin(server: string): boolean {
  if (!/^https?:/i.test(server) || !URL.canParse(server)) return false;
  const { username, password } = new URL(server);
  return username !== "" || password !== "";
}

export type RunSpec = z.infer<typeof runSpecSchema>;

/** A spec as it lies beside its conversation, see `withoutInput`. It was checked when it came in. */
export const storedSpecSchema = specShape;

/**
 * What of a spec is kept beside its conversation, which begins with the input or the messages: the rest, and the system
 * messages, which are no items of it.
 */
export function withoutInput({ input: _input, messages, ...rest }: RunSpec): RunSpec {
  const kept = messages?.filter(({ role }) => role === "system" || role === "developer") ?? [];
  return kept.length === 0 ? rest : { ...rest, messages: kept };
}

export type RunSpecInput = z.input<typeof runSpecSchema>;
export type PipelinePhase = z.infer<typeof pipelinePhaseSchema>;

/** Parses a spec, or throws `invalid_spec` with one line that names each field that is wrong. */
export function parseRunSpec(value: unknown): RunSpec {
  const parsed = runSpecSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new BatonError("invalid_spec", `invalid run spec: ${describeIssues(parsed.error)}`, {
    cause: parsed.error,
  });
}

export interface ModelEntry {
  readonly model: ModelId;
  readonly settings: ModelSettings;
}

/** The models of a spec in order, the coordinator first; of a pipeline, those of its phases. */
export function modelsOf(spec: RunSpec): readonly [ModelEntry, ...ModelEntry[]] {
  const entries =
    spec.phases?.map((phase) => ({ model: phase.model, settings: phase.settings ?? {} })) ??
    (spec.model === undefined || typeof spec.model === "string" ? [spec.model] : spec.model).flatMap(
      (choice) =>
        choice === undefined ? [] : [typeof choice === "string" ? { model: choice, settings: {} } : choice],
    );
  const [first, ...rest] = entries;
  if (first === undefined) throw new BatonError("invalid_spec", "the run names no model");
  return [first, ...rest];
}
