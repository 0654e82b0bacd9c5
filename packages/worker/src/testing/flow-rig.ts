/** A worker with scripted models and tools on a real Redis, for tests of whole flows. */
import {
  BatonError,
  type ConfigInput,
  type ErrorCode,
  type ModelRequest,
  type Retry,
  type RunId,
  type RunStatus,
  type ToolDefinition,
  type ToolHost,
  type ToolInvocation,
  type ToolOutcome,
} from "@baton/core";
import type { Cipher, Ledger } from "@baton/store";
import { type Script, type ScriptedModels, scriptedModels } from "../../../../test/support/scripted-model.ts";
import { until } from "../../../../test/support/until.ts";
import { openRig, type Rig } from "../../../../test/support/worker-rig.ts";

export type WorkerOptions = Partial<Parameters<Rig["startWorker"]>[0]>;

export interface Flow extends AsyncDisposable {
  readonly rig: Rig;
  readonly producer: Rig["producer"];
  readonly models: ScriptedModels;
  /** One more worker with the same models. */
  startWorker(options?: WorkerOptions): ReturnType<Rig["startWorker"]>;
  /** The run's result, once it is over. */
  ended(id: RunId): ReturnType<Rig["producer"]["result"]>;
  /** The run, once it has the status. */
  reached(id: RunId, status: RunStatus): Promise<Awaited<ReturnType<Rig["producer"]["get"]>>["run"]>;
}

/** Opens a rig without a worker. */
export async function openFlow(
  url: string,
  script: Script,
  config: ConfigInput = {},
  cipher?: Cipher,
): Promise<Flow> {
  const rig = await openRig(url, config, 1, cipher);
  const models = scriptedModels(script);
  const { producer } = rig;
  return {
    rig,
    producer,
    models,
    startWorker: (options = {}) =>
      rig.startWorker({
        adapters: models.adapters,
        patterns: ["openai/*", "anthropic/*", "xai/*"],
        capabilities: new Set(["server:desk"]),
        ...options,
      }),
    ended: (id) => producer.result(id, AbortSignal.timeout(15_000)),
    reached: (id, status) =>
      until(
        async () => {
          const { run } = await producer.get(id);
          return run.status === status ? run : undefined;
        },
        { what: `${id} to be ${status}`, withinMs: 15_000 },
      ),
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

/** The models that were called, in order. */
export const calledOf = (models: ScriptedModels): readonly string[] => models.calls.map(({ model }) => model);

/** Whether the model is to answer a tool's result; else it is to speak first. */
export const isAfterTool = ({ items }: ModelRequest): boolean =>
  items.findLast(({ role }) => role !== "control")?.role === "tool";

/** Fails a model call as an adapter does. */
export function failWith(code: ErrorCode, retry: Retry = "never", message = `${code} said`): never {
  throw new BatonError(code, message, { retry });
}

type ToolRules = Partial<Pick<ToolDefinition, "readOnly" | "idempotent" | "approval">>;

/** The tools of the server `desk`, and what a call of one does. */
export function desk(
  tools: Readonly<Record<string, ToolRules>>,
  run: (call: ToolInvocation, signal: AbortSignal) => string | Promise<string>,
): ToolHost & { readonly calls: ToolInvocation[] } {
  const calls: ToolInvocation[] = [];
  const definitions = Object.entries(tools)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([name, rules]): ToolDefinition => ({
        name,
        description: name,
        inputSchema: { type: "object" },
        readOnly: false,
        idempotent: false,
        approval: false,
        ...rules,
        origin: { kind: "mcp", server: "desk", tool: name },
      }),
    );
  return {
    calls,
    list: async () => ({ tools: definitions, problems: [] }),
    async call(invocation, signal): Promise<ToolOutcome> {
      calls.push(invocation);
      return { isError: false, content: [{ type: "text", text: await run(invocation, signal) }] };
    },
    close: async () => undefined,
  };
}

/** Resolves when the signal aborts; for calls that would last for ever. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Stands in a worker's ledger and tells when a beat is over: the next one by the clock is a second away. */
export function watchBeats() {
  let beats = 0;
  const wrap = (ledger: Ledger): Ledger => ({
    ...ledger,
    beat: async (...args) => {
      const reply = await ledger.beat(...args);
      beats += 1;
      return reply;
    },
  });
  const next = () => {
    const seen = beats;
    return until(() => beats > seen, { what: "the next beat" });
  };
  return { wrap, next };
}
