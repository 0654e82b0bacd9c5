/**
 * The operator's configuration, `baton.config.ts` or `.json`. Only what stands here can start a process or run
 * code: a request names configured servers and functions, it never brings its own.
 */
import { z } from "zod";
import { describeIssues } from "./describe-issues.ts";
import { BatonError } from "./error.ts";
import { modelIdSchema } from "./model-id.ts";
import { type Policy, policyRulesSchema } from "./policy.ts";
import { modelSettingsSchema } from "./spec.ts";

/** In a minute: all windows of sixty seconds. */
const rateLimits = {
  /** Requests. */
  rpm: z.int().min(1).optional(),
  /** Tokens, input and output together, cached input included. */
  tpm: z.int().min(1).optional(),
  /** Input tokens that were not read from a cache. */
  itpm: z.int().min(1).optional(),
  /** Output tokens. */
  otpm: z.int().min(1).optional(),
};

/** What all models of an account may ask for together. */
export const accountLimitsSchema = z.strictObject({
  ...rateLimits,
  /** Calls under way at once. */
  concurrent: z.int().min(1).optional(),
});
export type AccountLimitsConfig = z.infer<typeof accountLimitsSchema>;

export const modelLimitsSchema = z.strictObject(rateLimits);
export type ModelLimitsConfig = z.infer<typeof modelLimitsSchema>;

const providerName = z.string().regex(/^[a-z0-9][a-z0-9_-]*$/);

/** How a provider is reached. Keys are named by their environment variable and never stand in the file. */
export const providerConfigSchema = z.strictObject({
  api: z.enum(["openai-responses", "openai-chat", "anthropic-messages"]),
  baseURL: z.url().optional(),
  /** Name of the environment variable that overrides `baseURL`. */
  baseURLEnv: z.string().optional(),
  /** Name of the environment variable that holds the key; absent: the server takes none. */
  apiKeyEnv: z.string().optional(),
  /** Extra headers; `${NAME}` stands for an environment variable. */
  headers: z.record(z.string(), z.string()).optional(),
  /** Models of this provider are simulated: said wherever they show. */
  simulated: z.boolean().optional(),
  /** Providers that name the same account share its limits. Absent: the provider's own name. */
  account: providerName.optional(),
  limits: accountLimitsSchema.optional(),
});
export type ProviderConfig = z.infer<typeof providerConfigSchema>;

/** What the operator knows of a tool better than its server says: it goes over the server's annotations. */
export const toolRuleSchema = z.strictObject({
  readOnly: z.boolean().optional(),
  idempotent: z.boolean().optional(),
  /** A person approves each call before it runs; until then the run waits. */
  approval: z.boolean().optional(),
});
export type ToolRule = z.infer<typeof toolRuleSchema>;

/** By the tool's name at its server; `*` alone stands for all that are not named. */
const toolRules = z.record(z.string().min(1).max(200), toolRuleSchema).optional();

/** The `mcp.json` shape: a command over stdio, or a URL over streamable HTTP. */
export const mcpServerConfigSchema = z.union([
  z.strictObject({
    type: z.literal("stdio").optional(),
    command: z.string().min(1),
    args: z.array(z.string()).default([]),
    /** `${NAME}` stands for an environment variable. */
    env: z.record(z.string(), z.string()).default({}),
    cwd: z.string().optional(),
    timeoutMs: z.int().min(1).optional(),
    tools: toolRules,
  }),
  z.strictObject({
    type: z.enum(["http", "streamable-http"]).optional(),
    url: z.url(),
    headers: z.record(z.string(), z.string()).default({}),
    timeoutMs: z.int().min(1).optional(),
    tools: toolRules,
  }),
]);
export type McpServerConfig = z.infer<typeof mcpServerConfigSchema>;

/** USD for a million tokens. What is read from a cache or written to one costs as input, unless it is given. */
export const priceSchema = z.strictObject({
  input: z.number().min(0),
  output: z.number().min(0),
  cachedInput: z.number().min(0).optional(),
  cacheWrite: z.number().min(0).optional(),
});
export type ModelPrice = z.infer<typeof priceSchema>;

export const modelConfigSchema = z.strictObject({
  /** What the model is good at, told to the other models in their transfer tool. */
  strengths: z.string().max(500).optional(),
  settings: modelSettingsSchema.optional(),
  concurrency: z.int().min(1).max(10_000).optional(),
  /** Of this model alone, besides those of its provider's account. */
  limits: modelLimitsSchema.optional(),
  /** Goes over the price library's; give it for a model that the library does not know. */
  price: priceSchema.optional(),
});
export type ModelConfig = z.infer<typeof modelConfigSchema>;

export interface FunctionContext {
  readonly runId: string;
  readonly callId: string;
  /** The same each time the same call is tried. */
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
}

/** A function of the operator that models may call. `parameters` is a zod object schema. */
export interface FunctionTool {
  readonly name: string;
  readonly description: string;
  readonly parameters: z.ZodObject;
  /** Default false: then a call that was under way at a crash is answered with "outcome unknown". */
  readonly readOnly?: boolean;
  readonly idempotent?: boolean;
  /** A person approves each call before it runs; until then the run waits. */
  readonly approval?: boolean;
  readonly timeoutMs?: number;
  /** Returns text, or any JSON value; what it throws is told to the model. */
  readonly run: (args: Record<string, unknown>, context: FunctionContext) => unknown;
}

/** Declares a function tool with its arguments typed by the schema. */
export function functionTool<Parameters extends z.ZodObject>(
  tool: Omit<FunctionTool, "parameters" | "run"> & {
    readonly parameters: Parameters;
    readonly run: (args: z.infer<Parameters>, context: FunctionContext) => unknown;
  },
): FunctionTool {
  // The host parses the arguments with `parameters` before it calls `run`, so they have the schema's type.
  return { ...tool, run: (args, context) => tool.run(args as z.infer<Parameters>, context) };
}

const limitsSchema = z.strictObject({
  maxTurns: z.int().min(1).max(1_000).default(50),
  maxHandoffs: z.int().min(0).max(1_000).default(10),
  /** Calls of one turn that run at once. */
  parallelToolCalls: z.int().min(1).max(64).default(8),
  toolTimeoutMs: z.int().min(1).default(60_000),
  toolResultCharsMax: z.int().min(100).default(100_000),
  /** No byte of a reply for so long ends the call. */
  modelIdleMs: z.int().min(1).default(120_000),
  modelCallMs: z.int().min(1).default(900_000),
  /** Failed calls in a row before the phase fails, or falls back. */
  modelAttemptsMax: z.int().min(1).max(100).default(8),
  /** The same for 429s, which slow the whole pool and say nothing of the run. */
  rateLimitAttemptsMax: z.int().min(1).max(10_000).default(100),
  /** Seconds of work that a phase may take: what it waits in the queue or for people does not count; 0 for no bound. */
  phaseTimeout: z
    .number()
    .min(0)
    .max(30 * 86_400)
    .default(0),
  takeoversMax: z.int().min(1).max(100).default(5),
  /** How long a run waits for a worker that has what it names, before it fails with `config_missing`. */
  unfitGraceMs: z.int().min(0).default(600_000),
});

type ProviderEntry = Omit<ProviderConfig, "api"> & { readonly api?: ProviderConfig["api"] | undefined };

/** An entry of a known provider that says no `api` adds to what is known; any other entry stands for itself. */
function withPresets(
  entries: Readonly<Record<string, ProviderEntry>>,
  context: z.RefinementCtx,
): Record<string, ProviderConfig> {
  const whole: Record<string, ProviderConfig> = {};
  for (const [name, entry] of Object.entries(entries)) {
    const preset = Object.hasOwn(PROVIDER_PRESETS, name) ? PROVIDER_PRESETS[name] : undefined;
    const { api = preset?.api } = entry;
    if (api === undefined) {
      context.addIssue({
        code: "custom",
        path: [name, "api"],
        message: "names the API that the provider speaks",
      });
    } else {
      whole[name] = entry.api === undefined ? { ...preset, ...entry, api } : { ...entry, api };
    }
  }
  return whole;
}

const MEBIBYTE = 1_048_576;

/** A host as it stands in a `Host` header, without its port. Only addresses of IPv6 have colons. */
const hostName = z.union(
  [
    z
      .string()
      .max(253)
      .regex(/^[a-z0-9._-]+$/),
    z.ipv6(),
  ],
  "a host's name or address in small letters, without a port",
);

/** As browsers send it. An answer for every origin would be one for every page that somebody visits. */
const origin = z
  .string()
  .refine(
    (text) => /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text,
    "an origin such as https://app.example.com: without a path or a slash at its end, and no *",
  );

const proxyAddress = z.union(
  [z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6(), z.enum(["loopback", "linklocal", "uniquelocal"])],
  "an IP address, a range such as 10.0.0.0/8, loopback, linklocal or uniquelocal",
);

/** What guards the HTTP API; docs/security.md tells what each is for. */
const apiConfigSchema = z.strictObject({
  /** Origins whose pages may call the API from a browser, such as `https://app.example.com`. */
  cors: z.array(origin).max(100).default([]),
  /** Names by which an API that asks for no keys may be called, besides those of this machine. */
  hosts: z.array(hostName).max(100).default([]),
  /**
   * Whose `X-Forwarded-For` is believed: so many proxies, counted from here, or those at these addresses (`10.0.0.0/8`).
   * Absent: nobody's.
   */
  trustProxy: z
    .union(
      [z.int().min(1).max(16), z.array(proxyAddress).min(1).max(100)],
      "how many proxies there are (1 to 16), or a list of their addresses",
    )
    .optional(),
  /** Of a body that is not a batch's file. */
  bodyBytesMax: z
    .int()
    .min(1_024)
    .max(512 * MEBIBYTE)
    .default(32 * MEBIBYTE),
  /** Of a batch's file. */
  batchBytesMax: z
    .int()
    .min(1_024)
    .max(64 * 1_024 * MEBIBYTE)
    .default(1_024 * MEBIBYTE),
  /** Batch files that come in at once, in a process; each is kept on disk meanwhile. */
  batchUploadsMax: z.int().min(1).max(1_000).default(4),
  /** At once, in a process. */
  connectionsMax: z.int().min(1).max(1_000_000).default(10_000),
  /** How long a chat completion waits for a run that waits for people or for a worker, before it says so. */
  chatWaitSeconds: z.number().min(0).max(3_600).default(20),
});

const retentionDays = z.union([z.number().positive().max(3_650), z.literal(false)]);

export const configSchema = z.strictObject({
  providers: z
    .record(providerName, providerConfigSchema.partial({ api: true }))
    .transform(withPresets)
    .default({}),
  models: z.record(modelIdSchema, modelConfigSchema).default({}),
  mcpServers: z.record(z.string().min(1).max(200), mcpServerConfigSchema).default({}),
  tools: z
    .array(
      z.custom<FunctionTool>(
        (value) => typeof value === "object" && value !== null && "run" in value && "parameters" in value,
        "a tool has name, description, parameters (a zod object) and run",
      ),
    )
    .default([]),
  policies: z
    .record(
      z.string(),
      z.union([policyRulesSchema, z.custom<Policy>((value) => typeof value === "function")]),
    )
    .default({}),
  limits: limitsSchema.prefault({}),
  /** Days that a run is kept after its end, for all and by how it ended; `false` keeps it for ever. */
  retention: z
    .strictObject({
      days: retentionDays.default(7),
      succeeded: retentionDays.optional(),
      failed: retentionDays.optional(),
      cancelled: retentionDays.optional(),
    })
    .prefault({}),
  api: apiConfigSchema.prefault({}),
  /** Lets MCP URLs of requests, and those of images and files, reach private and loopback addresses. */
  allowPrivateAddresses: z.boolean().default(false),
});
export type Config = z.infer<typeof configSchema>;
export type ConfigInput = z.input<typeof configSchema>;
export type Limits = Config["limits"];

/** Types a `baton.config.ts`: `export const config = defineConfig({...})`. */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config;
}

/** Parses a configuration, or throws `invalid_config` with the fields that are wrong. `from` names the file. */
export function parseConfig(value: unknown, from: string): Config {
  const parsed = configSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new BatonError(
    "invalid_config",
    `${from} is not a valid configuration: ${describeIssues(parsed.error)}`,
    {
      cause: parsed.error,
    },
  );
}

/** The providers that need no entry; an entry of the same name replaces one. */
export const PROVIDER_PRESETS: Readonly<Record<string, ProviderConfig>> = {
  openai: {
    api: "openai-responses",
    baseURL: "https://api.openai.com/v1",
    baseURLEnv: "OPENAI_BASE_URL",
    apiKeyEnv: "OPENAI_API_KEY",
  },
  anthropic: {
    api: "anthropic-messages",
    baseURL: "https://api.anthropic.com",
    baseURLEnv: "ANTHROPIC_BASE_URL",
    apiKeyEnv: "ANTHROPIC_API_KEY",
  },
  xai: { api: "openai-chat", baseURL: "https://api.x.ai/v1", apiKeyEnv: "XAI_API_KEY" },
};
