/**
 * The test's side: a durable Redis of its own, worker processes to lose, the journal that they write, and the
 * judgement on a run. The test process has a producer and no worker: what gets done is done by the children.
 */
import { join } from "node:path";
import type { Item, Run, RunId, RunSpecInput } from "@baton/core";
import { textOf } from "@baton/core";
import { type ScriptProcess, startScript } from "../support/processes.ts";
import { freshRedis, type PrivateRedis } from "../support/redis.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";
import { openRig, type Rig } from "../support/worker-rig.ts";
import { type ActOf, Journal } from "./journal.ts";
import { nonceAfter, type Orders, POOLS } from "./work.ts";

export interface Submission {
  readonly id: RunId;
  readonly mark: string;
}

export interface CrashRig extends AsyncDisposable {
  readonly redis: PrivateRedis;
  readonly folder: string;
  readonly journal: Journal;
  readonly ledger: Rig["ledger"];
  readonly queues: Rig["queues"];
  readonly producer: Rig["producer"];
  /** Starts a worker process; it is killed with the rig at the latest. */
  startWorker(options?: {
    drainMs?: number;
    killWhenWoken?: boolean;
    concurrency?: number;
  }): Promise<ScriptProcess>;
  /** The process of this id, which `startWorker` started. */
  worker(pid: number): ScriptProcess;
  submit(orders: Partial<Orders>, spec?: Partial<RunSpecInput>): Promise<Submission>;
  /** The run and its whole conversation, once it is terminal. */
  ended(id: RunId, withinMs?: number): Promise<{ readonly run: Run; readonly items: readonly Item[] }>;
  /** The end of a process at the step that a run named. */
  crash(mark: string): Promise<ActOf<"crashed">>;
}

export async function openCrashRig(): Promise<CrashRig> {
  const redis = await freshRedis();
  const folder: TempFolder = await tempFolder();
  const rig = await openRig(redis.url);
  const journal = new Journal(folder.path);
  const workers: ScriptProcess[] = [];
  let runs = 0;
  return {
    redis,
    folder: folder.path,
    journal,
    ledger: rig.ledger,
    queues: rig.queues,
    producer: rig.producer,
    async startWorker({ drainMs = 5_000, killWhenWoken = false, concurrency = 50 } = {}) {
      const args = ["--url", redis.url, "--folder", folder.path, "--drain", String(drainMs)];
      args.push("--concurrency", String(concurrency));
      if (killWhenWoken) args.push("--kill-when-woken");
      const worker = await startScript(join(import.meta.dirname, "crash-worker.ts"), { args });
      workers.push(worker);
      await worker.line(/^ready$/);
      return worker;
    },
    worker(pid) {
      const worker = workers.find((one) => one.pid === pid);
      if (worker === undefined) throw new Error(`no worker has the process id ${pid}`);
      return worker;
    },
    async submit(orders, spec = {}) {
      runs += 1;
      const mark = `run${runs}`;
      const { runId } = await rig.producer.submit(specOf({ mark, ...orders }, spec));
      return { id: runId, mark };
    },
    async ended(id, withinMs = 20_000) {
      const run = await until(
        async () => {
          const found = await rig.producer.get(id);
          return "endedAt" in found.run && found.run;
        },
        { what: `the end of ${id}`, withinMs },
      );
      return { run, items: await rig.producer.conversation(id) };
    },
    crash: (mark) => until(() => journal.of("crashed", mark)[0], { what: `the crash of ${mark}` }),
    async [Symbol.asyncDispose]() {
      for (const worker of workers) await worker[Symbol.asyncDispose]();
      await rig[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** A run that model A hands to model B, unless `spec` says otherwise. */
export function specOf(
  orders: Pick<Orders, "mark"> & Partial<Orders>,
  spec: Partial<RunSpecInput> = {},
): RunSpecInput {
  const whole: Orders = { tools: [], latencyMs: 20, ...orders };
  return {
    input: JSON.stringify(whole),
    ...(spec.phases === undefined ? { model: [...POOLS] } : {}),
    tools: [...new Set(whole.tools)],
    ...spec,
  };
}

/** What is wrong with an ended run and with how it came about; empty when nothing is. */
export function violations(
  journal: Journal,
  mark: string,
  run: Run,
  items: readonly Item[],
): readonly string[] {
  const tickets = journal.of("committed", mark).map((act) => act.ticket);
  const isTwice = new Set(tickets).size < tickets.length;
  return [
    ...contradictions(run, items),
    ...(isTwice ? [`a ticket was committed twice (R7): ${tickets}`] : []),
    ...doneAgain(journal, mark),
    ...notInLog(journal, mark, items),
  ];
}

/** What the record and the log of an ended run say against each other. */
export function contradictions(run: Run, items: readonly Item[]): readonly string[] {
  const found: string[] = [];
  if (run.status !== "succeeded") found.push(`the run ended as ${run.status}`);
  const handoffs = items.filter((item) => item.parts.some((part) => part.type === "handoff"));
  if (handoffs.length !== run.handoffs || run.phases.length !== run.handoffs + 1) {
    found.push(`${handoffs.length} handoff items, ${run.handoffs} handoffs, ${run.phases.length} phases`);
  }
  const replies = items.filter((item) => item.role === "assistant");
  const nonces = replies.map(textOf);
  for (const [index, nonce] of nonces.entries()) {
    const before = nonceAfter(replies.slice(0, index), nonce.split(" ")[0] ?? "");
    if (nonce !== before) found.push(`the reply ${nonce} was given to another conversation: ${nonces}`);
  }
  if (replies.length !== run.turns) found.push(`${replies.length} replies in the log, ${run.turns} turns`);
  if (items.length !== run.items) found.push(`${items.length} items in the log, ${run.items} in the record`);
  return found;
}

/** R5: nothing begins again after its outcome was acknowledged. */
function doneAgain(journal: Journal, mark: string): readonly string[] {
  const found: string[] = [];
  const replies = new Set<number>();
  const results = new Set<string>();
  for (const act of journal.acts()) {
    if (act.mark !== mark) continue;
    if (act.did === "wrote" && act.nonce !== undefined) replies.add(act.seq);
    if (act.did === "wrote" && act.callId !== undefined) results.add(act.callId);
    if (act.did === "bought" && replies.has(act.seq)) found.push(`the reply ${act.seq} was bought again`);
    if (act.did === "ran" && results.has(act.callId)) found.push(`the call ${act.callId} was run again`);
  }
  return found;
}

/** R5: what was acknowledged is in the log, where it was put. */
function notInLog(journal: Journal, mark: string, items: readonly Item[]): readonly string[] {
  return journal.of("wrote", mark).flatMap(({ seq, nonce, callId }) => {
    const item = items[seq];
    const [part] = item?.parts ?? [];
    const isThere =
      item !== undefined &&
      (nonce === undefined || textOf(item) === nonce) &&
      (callId === undefined || (part?.type === "tool_result" && part.callId === callId));
    return isThere ? [] : [`the item ${seq} was acknowledged and is not in the log`];
  });
}
