/**
 * A world in which everything that a caller, a model or a tool can say carries a word of its own, to be looked for where
 * it must not be: runs with tools, a handoff, a failing tool, the caller's own tools, an approval, failed calls, a retry,
 * a fork, a batch, a long conversation, and runs that wait.
 */
import { randomBytes } from "node:crypto";
import {
  BatonError,
  type ModelDelta,
  type ModelRequest,
  parseRunSpec,
  type RunId,
  type ToolHost,
  type ToolOutcome,
  textOf,
} from "@baton/core";
import type { BatchLine } from "@baton/producer";
import type { Cipher } from "@baton/store";
import { desk, isAfterTool, openFlow } from "../../packages/worker/src/testing/flow-rig.ts";
import { call, type ScriptedReply, text } from "../support/scripted-model.ts";

export interface CanaryWorld {
  /** What was planted: where → the word. */
  readonly planted: ReadonlyMap<string, string>;
  /** All that a reader with the keys is told of the runs: conversations, specs, records, results, events. */
  readonly told: string;
}

/** Long enough that the conversation is packed when its run has succeeded. */
const LONG_CHARS = 9_000;

export async function playWorld(redisUrl: string, cipher: Cipher | undefined): Promise<CanaryWorld> {
  const planted = new Map<string, string>();
  const plant = (where: string): string => {
    const word = planted.get(where) ?? `canary${randomBytes(8).toString("hex")}`;
    planted.set(where, word);
    return word;
  };
  const working = desk(
    { look: { readOnly: true }, break: { readOnly: true }, send: { approval: true } },
    () => plant("a tool's result"),
  );
  const failure: ToolOutcome = {
    isError: true,
    content: [{ type: "text", text: plant("a tool's failure") }],
  };
  const tools: ToolHost = {
    ...working,
    call: async (invocation, signal) =>
      invocation.name === "break" ? failure : working.call(invocation, signal),
  };
  await using flow = await openFlow(
    redisUrl,
    (request, _signal, show) => reply(request, plant, show),
    {},
    cipher,
  );
  await flow.startWorker({ tools });
  const { producer } = flow;
  const submit = async (task: string, spec: object): Promise<RunId> => {
    const input = `${task} ${plant(`the input of ${task}`)}`;
    return (await producer.submit({ input, model: "openai/gpt", ...spec }, { idempotencyKey: task })).runId;
  };

  const research = await submit("research", {
    model: ["openai/gpt", "anthropic/claude"],
    instructions: plant("instructions"),
    mcp_servers: ["desk"],
    metadata: { [plant("a key of metadata")]: plant("a value of metadata") },
    response_format: {
      type: "json_schema",
      json_schema: { name: "answer", description: plant("a response format"), schema: { type: "object" } },
    },
  });
  const functions = [
    { type: "function", function: { name: "mine", description: plant("a description of a tool") } },
  ];
  const asking = await submit("asking", { tools: functions });
  const approving = await submit("approving", { mcp_servers: ["desk"] });
  const failing = await submit("failing", {});
  const stumbling = await submit("stumbling", {});
  const unserved = await submit("unserved", {
    model: undefined,
    phases: [{ name: plant("the name of a phase"), model: "nobody/model", instructions: plant("a phase") }],
    mcp_servers: [`https://example.com/${plant("the URL of a server")}`],
  });
  await producer.submitBatch(batchLines(plant), { id: "letters" }, AbortSignal.timeout(20_000));

  await flow.ended(research);
  const fork = (await producer.fork(research, { input: `forking ${plant("the input of a fork")}` })).runId;
  await flow.reached(asking, "waiting");
  const [own] = await producer.clientCalls(asking);
  const results = [{ tool_call_id: own?.callId ?? "", content: plant("the result of the caller's tool") }];
  await producer.input(asking, { tool_results: results });
  await flow.reached(approving, "waiting");
  await producer.reject(approving, { reason: plant("the reason of a rejection") });
  await flow.reached(failing, "failed");
  await producer.retry(failing, { input: `retrying ${plant("the input of a retry")}` });
  const letters = await lettersOf(flow, "letters");
  const ended = [research, fork, asking, approving, failing, stumbling, ...letters];
  for (const id of ended) {
    const { status, error } = await flow.ended(id);
    if (status !== "succeeded") throw new Error(`a run of the world is ${status}: ${error?.message}`);
  }

  const told: string[] = [];
  for (const id of [...ended, unserved]) {
    const snapshot = await flow.rig.ledger.snapshot(id);
    const all = [
      await producer.get(id),
      await producer.conversation(id),
      await producer.resultNow(id),
      snapshot,
    ];
    told.push(JSON.stringify(all));
  }
  for (const id of ended) {
    const events = producer.watch(id, { after: "0-0" }, AbortSignal.timeout(20_000));
    told.push(JSON.stringify(await Array.fromAsync(events)));
  }
  return { planted, told: told.join("\n") };
}

async function lettersOf(
  { rig }: Awaited<ReturnType<typeof openFlow>>,
  batch: string,
): Promise<readonly RunId[]> {
  const lists = (["queued", "running", "succeeded"] as const).map((status) =>
    rig.ledger.list(status, { limit: 10, batch }),
  );
  return [...new Set((await Promise.all(lists)).flat())];
}

async function* batchLines(plant: (where: string) => string): AsyncGenerator<BatchLine> {
  for (const line of [1, 2]) {
    const spec = parseRunSpec({ input: `letter ${plant(`line ${line} of a batch`)}`, model: "openai/gpt" });
    yield { kind: "run", line, customId: `letter-${line}`, spec };
  }
}

/** What the models say, by the task that the input names. */
function reply(
  request: ModelRequest,
  plant: (where: string) => string,
  show: (delta: ModelDelta) => void,
): ScriptedReply {
  const said = request.items.findLast(({ role }) => role === "user");
  const [task = ""] = said === undefined ? [] : textOf(said).split(" ");
  show({ kind: "reasoning", text: plant("reasoning that is shown") });
  if (request.model === "anthropic/claude") {
    return {
      parts: [thought(plant), text(`${plant("the end of a run")} ${"long ".repeat(LONG_CHARS / 5)}`)],
    };
  }
  if (task === "failing")
    throw new BatonError("provider_rejected", `no: ${plant("the error of a provider")}`);
  if (task === "stumbling" && isFirstTry(request)) {
    const message = `wait: ${plant("an error that passes")}`;
    throw new BatonError("provider_overloaded", message, { retry: { after: 10 } });
  }
  return { parts: partsOf(task, isAfterTool(request), plant) };
}

const tried = new Set<string>();

function isFirstTry({ items: [first] }: ModelRequest): boolean {
  const mark = first === undefined ? "" : textOf(first);
  if (tried.has(mark)) return false;
  tried.add(mark);
  return true;
}

function partsOf(
  task: string,
  isAnswered: boolean,
  plant: (where: string) => string,
): ScriptedReply["parts"] {
  if (task === "research" && !isAnswered) {
    const found = call("look", { query: plant("the argument of a tool") });
    return [thought(plant), text(plant("text beside a call")), found, call("break")];
  }
  if (task === "research") {
    const why = { reason: plant("the reason of a handoff"), brief: plant("the brief of a handoff") };
    return [call("transfer_to_anthropic_claude", why)];
  }
  if (task === "asking" && !isAnswered)
    return [call("mine", { at: plant("the argument of the caller's tool") })];
  if (task === "approving" && !isAnswered)
    return [call("send", { to: plant("the argument of an approval") })];
  return [text(`${task}: ${plant(`the answer to ${task}`)}`)];
}

function thought(plant: (where: string) => string): ScriptedReply["parts"][number] {
  return {
    type: "reasoning",
    text: plant("reasoning"),
    native: { signature: plant("what a vendor wants back") },
  };
}
