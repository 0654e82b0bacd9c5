/**
 * What `Runner.run` takes, read into a run spec. Names are camelCase; the snake_case of the Python runner and of
 * chat completions is taken as well. A name that means nothing here is refused, never dropped: a setting that has
 * no effect should be known.
 */
import { BatonError, type Message, type RunSpecInput } from "@baton/core";
import { type LocalTools, type RunnerTool, readTools } from "./local-tools.ts";
import { type ParsedFormat, type ResponseFormatParam, readFormat } from "./response-format.ts";

/** Settings of model calls. */
export interface SettingsParams {
  readonly temperature?: number | null;
  readonly topP?: number | null;
  readonly maxTokens?: number | null;
  readonly reasoningEffort?: string | null;
  readonly verbosity?: "low" | "medium" | "high" | null;
  readonly thinking?: "off" | "adaptive" | { readonly budgetTokens: number } | object | null;
  readonly parallelToolCalls?: boolean | null;
  readonly stop?: string | readonly string[] | null;
  readonly seed?: number | null;
}

export type ModelParam =
  | string
  | { readonly model: string; readonly settings?: WithSnakeCase<SettingsParams> | null };

export interface PhaseParams {
  readonly name?: string;
  readonly model: string;
  readonly instructions?: string;
  readonly settings?: WithSnakeCase<SettingsParams>;
  readonly mcpServers?: readonly string[];
  /** Names of configured functions. */
  readonly tools?: readonly string[];
  readonly maxTurns?: number;
}

interface RunFields<Parsed> extends SettingsParams {
  /** The task: text, content parts, or messages. */
  readonly input?: string | readonly object[] | null;
  readonly messages?: readonly (Message | object)[] | null;
  readonly instructions?: string | null;
  /** One model, or a list: the first is the coordinator, and may hand off to any other. */
  readonly model?: ModelParam | readonly ModelParam[] | null;
  /** A pipeline, instead of `model`. */
  readonly phases?: readonly PhaseParams[] | null;
  readonly mcpServers?: string | Iterable<string> | null;
  readonly tools?: Iterable<RunnerTool> | null;
  /** Most model calls of the run; the operator's configuration says how many when it is absent. */
  readonly maxSteps?: number | null;
  /** The same, as chat completions call it. */
  readonly maxTurns?: number | null;
  readonly maxHandoffs?: number | null;
  readonly toolChoice?: string | object | null;
  /** A zod schema, a format of chat completions, or what the `zodResponseFormat` helpers make. */
  readonly responseFormat?: ResponseFormatParam<Parsed> | null;
  /** Name of a policy of the operator's configuration. */
  readonly policy?: string | null;
  readonly budget?: RunSpecInput["budget"] | null;
  /** Seconds for the whole run, from its submission. */
  readonly timeout?: number | null;
  /** Seconds of work for each phase, and for each model call. */
  readonly phaseTimeout?: number | null;
  readonly callTimeout?: number | null;
  /** Who takes over when a model fails for good. */
  readonly fallback?: RunSpecInput["fallback"] | readonly string[] | null;
  readonly handoff?: RunSpecInput["handoff"] | null;
  readonly priority?: number | null;
  /** ISO 8601 or a date; the run is not started before. */
  readonly runAt?: string | Date | null;
  readonly metadata?: Readonly<Record<string, string>> | null;
  /** False: calls of the caller's own tools are left to it, and the result tells them. */
  readonly autoExecuteTools?: boolean | null;
  readonly stream?: boolean | null;
  readonly verbose?: boolean | null;
  readonly debug?: boolean | null;
  /** The same key with the same spec gives the same run (R8). */
  readonly idempotencyKey?: string | null;
  /** Stops the waiting; the run goes on. */
  readonly signal?: AbortSignal | null;
  /** Nothing else there is; taken so that calls of the Dedalus runner need no change. */
  readonly transport?: "http" | null;
  /** Deprecated in the Dedalus runner, without effect there and here: use `autoExecuteTools: false`. */
  readonly returnIntent?: boolean | null;
}

export type RunParams<Parsed = unknown> = WithSnakeCase<RunFields<Parsed>>;

type FollowFields<Parsed> = Pick<
  RunFields<Parsed>,
  "tools" | "autoExecuteTools" | "responseFormat" | "stream" | "verbose" | "debug" | "signal"
>;
/** What may be said of a run that was submitted before: how to go on with it here. */
export type FollowParams<Parsed = unknown> = WithSnakeCase<FollowFields<Parsed>>;

/** How the Runner itself behaves in one run. */
export interface RunOptions<Parsed> {
  readonly tools: LocalTools;
  readonly format: ParsedFormat<Parsed>;
  readonly autoExecuteTools: boolean;
  readonly stream: boolean;
  readonly verbose: boolean | undefined;
  readonly debug: boolean | undefined;
  readonly idempotencyKey: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** Said to the log. */
  readonly warnings: readonly string[];
}

export interface ReadParams<Parsed> {
  /** Not parsed yet: `submit` does. */
  readonly spec: Readonly<Record<string, unknown>>;
  readonly options: RunOptions<Parsed>;
}

/** Reads the parameters, or throws `invalid_spec` with the one that is wrong. */
export function readParams<Parsed>(params: RunParams<Parsed>): ReadParams<Parsed> {
  const given = camelCased(params, "run()");
  for (const name of Object.keys(given)) {
    if (!RUN_NAMES.has(name) && !(name in SETTINGS)) throw invalid(`run() takes no ${name}`);
  }
  // The names were checked; what stands in them is judged by the schema of the spec.
  const fields = given as RunFields<Parsed>;
  const options = optionsOf(fields);
  return { spec: specOf(fields, given, options), options };
}

/** Reads what `follow` takes. */
export function readFollowParams<Parsed>(params: FollowParams<Parsed>): RunOptions<Parsed> {
  const given = camelCased(params, "follow()");
  for (const name of Object.keys(given))
    if (!FOLLOW_NAMES.has(name)) throw invalid(`follow() takes no ${name}`);
  // As above.
  return optionsOf(given as FollowFields<Parsed>);
}

function optionsOf<Parsed>(fields: RunFields<Parsed>): RunOptions<Parsed> {
  return {
    tools: readTools(fields.tools ?? []),
    format: readFormat<Parsed>(fields.responseFormat ?? undefined),
    autoExecuteTools: fields.autoExecuteTools ?? true,
    stream: fields.stream ?? false,
    verbose: fields.verbose ?? undefined,
    debug: fields.debug ?? undefined,
    idempotencyKey: fields.idempotencyKey ?? undefined,
    signal: fields.signal ?? undefined,
    warnings: fields.returnIntent ? ["returnIntent has no effect: use autoExecuteTools: false"] : [],
  };
}

function specOf(
  fields: RunFields<unknown>,
  given: Readonly<Record<string, unknown>>,
  { tools, format }: RunOptions<unknown>,
): Readonly<Record<string, unknown>> {
  if (fields.transport !== undefined && fields.transport !== "http") {
    throw invalid(`transport: there is no ${String(fields.transport)}`);
  }
  if (fields.maxSteps !== undefined && fields.maxTurns !== undefined) {
    throw invalid("give maxSteps or maxTurns, which mean the same");
  }
  const choice = toolChoiceOf(fields.toolChoice);
  const settings = { ...settingsOf(given, "run()"), ...choice.settings };
  const steps = fields.maxSteps ?? fields.maxTurns;
  const { runAt } = fields;
  return present({
    ...inputOf(fields),
    model: modelOf(fields.model),
    phases: fields.phases?.map(phaseOf),
    settings: Object.keys(settings).length === 0 ? undefined : settings,
    mcp_servers: serversOf(fields.mcpServers),
    tools: tools.specs.length === 0 ? undefined : tools.specs,
    tool_choice: choice.choice,
    policy: fields.policy,
    response_format: format.spec,
    // As in the Dedalus runner, less than one step is one.
    max_turns: typeof steps === "number" ? Math.max(1, steps) : steps,
    max_handoffs: fields.maxHandoffs,
    budget: fields.budget,
    timeout: fields.timeout,
    phase_timeout: fields.phaseTimeout,
    call_timeout: fields.callTimeout,
    fallback: fields.fallback,
    handoff: fields.handoff,
    priority: fields.priority,
    run_at: runAt instanceof Date ? runAt.toISOString() : runAt,
    metadata: fields.metadata,
  });
}

function inputOf({ input, messages, instructions }: RunFields<unknown>): object {
  if (input !== undefined && messages !== undefined) throw invalid("give either input or messages");
  const list = Array.isArray(input) && input.some(isMessage) ? input : messages;
  if (list === undefined || list === null) return { input, instructions };
  // `toInputList()` of a run begins with its instructions: given again, they stand once.
  const rest = list.filter((message) => !isSystemMessage(message, instructions));
  return { messages: rest, instructions };
}

function isMessage(value: unknown): boolean {
  return typeof value === "object" && value !== null && "role" in value;
}

function isSystemMessage(message: object, content: string | null | undefined): boolean {
  return (
    content !== undefined &&
    "role" in message &&
    message.role === "system" &&
    "content" in message &&
    message.content === content
  );
}

function modelOf(model: RunFields<unknown>["model"]): unknown {
  if (model === undefined || model === null || typeof model === "string") return model;
  const list: readonly unknown[] = Array.isArray(model) ? model : [model];
  return list.map((entry) => {
    if (typeof entry !== "object" || entry === null || !("model" in entry)) return entry;
    const { settings, ...rest } = entry as { model: unknown; settings?: object | null };
    if (settings === undefined || settings === null) return rest;
    return { ...rest, settings: settingsAlone(settings, `the settings of ${String(entry.model)}`) };
  });
}

function phaseOf(phase: PhaseParams): object {
  const where = `the phase ${phase.name ?? phase.model}`;
  const { mcpServers, maxTurns, settings, ...rest } = camelCased(phase, where);
  return present({
    ...rest,
    settings: typeof settings === "object" && settings !== null ? settingsAlone(settings, where) : settings,
    mcp_servers: mcpServers,
    max_turns: maxTurns,
  });
}

function serversOf(servers: RunFields<unknown>["mcpServers"]): readonly string[] | undefined {
  if (servers === undefined || servers === null) return undefined;
  const list = typeof servers === "string" ? [servers] : [...servers];
  return list.length === 0 ? undefined : list;
}

/** The names of settings, and what each is called in a spec. */
const SETTINGS: Readonly<Record<string, string>> = {
  temperature: "temperature",
  topP: "top_p",
  maxTokens: "max_output_tokens",
  maxCompletionTokens: "max_output_tokens",
  maxOutputTokens: "max_output_tokens",
  effort: "effort",
  reasoningEffort: "effort",
  verbosity: "verbosity",
  thinking: "thinking",
  parallelToolCalls: "parallel_tool_calls",
  stop: "stop",
  stopSequences: "stop",
  seed: "seed",
};

function settingsAlone(settings: object, where: string): Record<string, unknown> {
  const given = camelCased(settings, where);
  for (const name of Object.keys(given))
    if (!(name in SETTINGS)) throw invalid(`${where}: there is no ${name}`);
  return settingsOf(given, where);
}

function settingsOf(given: Readonly<Record<string, unknown>>, where: string): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    const setting = SETTINGS[name];
    if (setting === undefined) continue;
    if (setting in settings) throw invalid(`${where}: ${name} is given twice, by two names`);
    settings[setting] = settingValue(setting, value);
  }
  return settings;
}

function settingValue(setting: string, value: unknown): unknown {
  if (setting === "stop" && typeof value === "string") return [value];
  if (setting !== "thinking" || typeof value !== "object" || value === null) return value;
  const { type, budgetTokens } = camelCased(value, "thinking");
  if (type === "disabled") return "off";
  if (type === "adaptive") return "adaptive";
  return { budget_tokens: budgetTokens };
}

/** Every form of a tool choice: OpenAI's words and object, and the objects of Anthropic and Dedalus. */
function toolChoiceOf(choice: RunFields<unknown>["toolChoice"]): { choice?: unknown; settings: object } {
  if (choice === undefined || choice === null || typeof choice === "string") return { choice, settings: {} };
  const { type, name, function: named, disableParallelToolUse } = camelCased(choice, "toolChoice");
  const settings = disableParallelToolUse === true ? { parallel_tool_calls: false } : {};
  if (type === "any") return { choice: "required", settings };
  if (type === "auto" || type === "none") return { choice: type, settings };
  const inner = typeof named === "object" && named !== null && "name" in named ? named.name : undefined;
  return { choice: { name: name ?? inner }, settings };
}

const RUN_NAMES: ReadonlySet<string> = new Set([
  ...["input", "messages", "instructions", "model", "phases", "mcpServers", "tools", "maxSteps", "maxTurns"],
  ...["maxHandoffs", "toolChoice", "responseFormat", "policy", "budget", "timeout", "fallback", "handoff"],
  ...["phaseTimeout", "callTimeout"],
  ...["priority", "runAt", "metadata", "autoExecuteTools", "stream", "verbose", "debug", "idempotencyKey"],
  ...["signal", "transport", "returnIntent"],
]);

const FOLLOW_NAMES: ReadonlySet<string> = new Set([
  ...["tools", "autoExecuteTools", "responseFormat", "stream", "verbose", "debug", "signal"],
]);

type Snake<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? First extends Lowercase<First>
    ? `${First}${Snake<Rest>}`
    : `_${Lowercase<First>}${Snake<Rest>}`
  : Name;
/** The same fields by their snake_case names too. */
export type WithSnakeCase<Fields> = Fields & {
  readonly [Name in keyof Fields as Name extends string ? Snake<Name> : never]?: Fields[Name];
};

/** The fields by their camelCase names; what is null or undefined counts as not given. */
function camelCased(fields: object, where: string): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null) continue;
    const camel = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    if (camel in given) throw invalid(`${where}: ${camel} is given twice`);
    given[camel] = value;
  }
  return given;
}

function present(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== null),
  );
}

function invalid(message: string): BatonError {
  return new BatonError("invalid_spec", message);
}
