/**
 * A small history in which all is well, put together by hand: what the checker's own tests break. One run calls tools
 * and is handed on, another one is refused and retried, and a worker that held the first is killed.
 */
import {
  type Item,
  type ModelId,
  modelIdSchema,
  type NewItem,
  NO_USAGE,
  type Part,
  type Phase,
  type Run,
  type RunEvent,
  runIdSchema,
  textOf,
} from "@baton/core";
import { digestOf } from "./check-digest.ts";
import type {
  EndedRun,
  Fault,
  History,
  LogSample,
  Purchase,
  SeenEvent,
  Submission,
  ToolRun,
} from "./history.ts";

export const GPT = modelIdSchema.parse("openai/gpt");
export const CLAUDE = modelIdSchema.parse("anthropic/claude");
export const SECRET = "sk-a-key-that-nobody-may-see";
const STARTED_AT = 1_700_000_000_000;

type EventBody = RunEvent extends infer Event
  ? Event extends RunEvent
    ? Omit<Event, "epoch" | "phase">
    : never
  : never;

export function cleanHistory(): History {
  const first = handedOn();
  const second = retried();
  const runs = [first, second];
  return {
    seed: 1,
    startedAt: STARTED_AT,
    endedAt: STARTED_AT + 60_000,
    submissions: runs.flatMap((run) => run.submissions),
    purchases: runs.flatMap((run) => run.purchases),
    toolRuns: runs.flatMap((run) => run.toolRuns),
    samples: runs.flatMap((run) => run.samples),
    events: runs.flatMap((run) => run.events),
    faults: runs.flatMap((run) => run.faults),
    acts: [{ at: second.retriedAt, mark: "second", did: "retry" }],
    runs: runs.map((run) => run.ended()),
    texts: [{ where: "log", text: "a worker is ready" }],
    secrets: [SECRET],
  };
}

function handedOn(): RunScribe {
  const run = new RunScribe("first", 1);
  run.claim(GPT);
  run.reply(GPT, [call("look", "c1"), call("pay", "c2")]);
  run.tool("look", "c1");
  run.append({ role: "control", parts: [{ type: "tool_started", callId: "c2" }] });
  run.tool("pay", "c2");
  run.kill();
  run.claim(GPT);
  run.reply(GPT, [call("transfer_to_anthropic_claude", "c3")]);
  run.append(result("transfer_to_anthropic_claude", "c3"));
  run.handOff(GPT, CLAUDE);
  run.claim(CLAUDE);
  run.reply(CLAUDE, []);
  run.move("succeeded");
  return run;
}

function retried(): RunScribe {
  const run = new RunScribe("second", 2);
  run.claim(GPT);
  run.reply(GPT, [], "refusal");
  run.move("failed");
  run.retry();
  run.claim(GPT);
  run.reply(GPT, []);
  run.move("succeeded");
  return run;
}

export function call(name: string, callId: string): Part {
  return { type: "tool_call", callId, name, arguments: { kind: "object", value: {} } };
}

export function result(name: string, callId: string): NewItem {
  const content = [{ type: "text" as const, text: `${name} is done` }];
  return { role: "tool", parts: [{ type: "tool_result", callId, name, isError: false, content }] };
}

/** Writes down what a run does, as its ledger, its providers and its watchers would. */
class RunScribe {
  readonly submissions: Submission[] = [];
  readonly purchases: Purchase[] = [];
  readonly toolRuns: ToolRun[] = [];
  readonly samples: LogSample[] = [];
  readonly events: SeenEvent[] = [];
  readonly faults: Fault[] = [];
  readonly #id;
  readonly #mark: string;
  readonly #items: Item[] = [];
  readonly #phases: Phase[] = [];
  retriedAt = 0;
  #now: number;
  #epoch = 1;
  #ticket = 1;
  #phase = 0;
  #status: Run["status"] = "queued";
  #takeovers = 0;
  #endedAt = 0;

  constructor(mark: string, number: number) {
    this.#mark = mark;
    this.#id = runIdSchema.parse(`r_0_${String(number).padStart(26, "0")}`);
    this.#now = STARTED_AT + number * 7;
    const submission = { pid: 1, mark, idempotencyKey: `key-${mark}` };
    this.submissions.push({ ...submission, at: this.#tick(), did: "asked" });
    this.#place({ role: "user", parts: [{ type: "text", text: `the work of ${mark}` }] });
    this.submissions.push({ ...submission, at: this.#tick(), did: "accepted", runId: this.#id });
  }

  claim(model: ModelId): void {
    const takeover = this.#status === "running";
    if (takeover) this.#takeovers += 1;
    this.#epoch += 1;
    this.#status = "running";
    this.#emit({ type: "phase", model, attempt: 1, takeover });
    this.#phases[this.#phase] ??= phaseOf(this.#phase, model);
  }

  reply(model: ModelId, calls: readonly Part[], stopReason: "end" | "refusal" = "end"): void {
    const nonce = `${this.#mark}x${this.purchases.length}`;
    const api = model === GPT ? "openai-responses" : "anthropic-messages";
    const replies = this.#items.filter((item) => item.role === "assistant").length;
    const at = this.#tick();
    this.purchases.push({ at, soldAt: this.#tick(), api, model, mark: this.#mark, replies, nonce });
    const reason = calls.length > 0 ? "tool_use" : stopReason;
    this.#emit({ type: "turn", model, item: this.#items.length, stopReason: reason, usage: NO_USAGE });
    this.append({
      role: "assistant",
      parts: [{ type: "text", text: `said ${nonce}` }, ...calls],
      origin: { provider: model.split("/")[0] ?? "", api, model },
      usage: NO_USAGE,
      stopReason: reason,
    });
    const phase = this.#phases[this.#phase];
    if (phase !== undefined) this.#phases[this.#phase] = { ...phase, turns: phase.turns + 1 };
  }

  tool(name: string, callId: string): void {
    const at = this.#tick();
    const reply = this.#items.findLastIndex((item) => item.role === "assistant");
    const key = `${this.#id}/${reply}/${callId}`;
    this.toolRuns.push({ at, mark: this.#mark, tool: name, key, endedAt: this.#tick() });
    this.#emit({ type: "tool_end", callId, name, isError: false, preview: "" });
    this.append(result(name, callId));
  }

  append(item: NewItem): void {
    this.#place(item);
    this.#sample();
  }

  handOff(from: ModelId, to: ModelId): void {
    this.#emit({ type: "handoff", from, to, reason: "" });
    this.#place({
      role: "user",
      parts: [{ type: "handoff", from, to, reason: "", brief: "go on", context: "full", by: "model" }],
    });
    this.#phase += 1;
    this.#epoch += 1;
    this.#ticket += 1;
    this.#status = "queued";
  }

  kill(): void {
    this.faults.push({
      at: this.#tick(),
      endedAt: this.#now + 1_000,
      kind: "worker_killed",
      target: "worker 1",
      inFlight: 0,
      held: [this.#mark],
    });
    this.#now += 4_000;
  }

  move(status: "succeeded" | "failed" | "queued"): void {
    this.#epoch += 1;
    this.#status = status;
    this.#endedAt = this.#emit({ type: "status", status, model: this.#phases[this.#phase]?.model ?? GPT });
    this.#sample();
  }

  retry(): void {
    this.retriedAt = this.#tick();
    this.#place({ role: "control", parts: [{ type: "record", act: "retry", detail: { status: "failed" } }] });
    this.#ticket += 2;
    this.move("queued");
  }

  ended(): EndedRun {
    const run: Run = {
      id: this.#id,
      status: "succeeded",
      model: this.#phases.at(-1)?.model ?? GPT,
      ticket: this.#ticket,
      epoch: this.#epoch,
      items: this.#items.length,
      turns: this.#items.filter((item) => item.role === "assistant").length,
      handoffs: this.#phase,
      takeovers: this.#takeovers,
      createdAt: STARTED_AT,
      updatedAt: this.#endedAt,
      endedAt: this.#endedAt,
      usage: NO_USAGE,
      costUsd: null,
      failures: 0,
      phases: this.#phases,
    };
    const spec = { model: [GPT, CLAUDE], input: textOf(this.#items[0] ?? { parts: [] }) };
    return { mark: this.#mark, run, spec, items: this.#items };
  }

  #place(item: NewItem): void {
    const place = { v: 1 as const, seq: this.#items.length, phase: this.#phase, epoch: this.#epoch };
    this.#items.push({ ...place, at: this.#tick(), ...item });
  }

  #sample(): void {
    const digests = this.#items.map(digestOf);
    const fence = { epoch: this.#epoch, ticket: this.#ticket, status: this.#status };
    this.samples.push({ at: this.#tick(), runId: this.#id, ...fence, digests });
  }

  #emit(event: EventBody): number {
    const at = this.#tick();
    this.events.push({
      runId: this.#id,
      id: `${at}-0.0`,
      event: { ...event, epoch: this.#epoch, phase: this.#phase },
    });
    return at;
  }

  /** Each thing has its own moment. */
  #tick(): number {
    this.#now += 10;
    return this.#now;
  }
}

function phaseOf(seq: number, model: ModelId): Phase {
  return { seq, model, status: "succeeded", attempts: 1, turns: 0, usage: NO_USAGE, costUsd: null };
}
