import { BatonError, type Run, type RunId } from "@baton/core";
import type { RunService } from "@baton/producer";
import { describe, expect, test } from "vitest";
import { scopedRuns } from "./scoped-runs.ts";

const ID = "r_0_01J9ZC7Q8H2N3K4M5P6R7S8T9V" as RunId;

async function* generate(values: readonly unknown[]): AsyncGenerator<unknown, void, void> {
  yield* values;
}

/** A service that has one run, of the namespace `owner` and its batch `owner/b`, and remembers what it is called with. */
function serviceOf(owner: string) {
  const calls: [name: string, args: readonly unknown[]][] = [];
  const run = { id: ID, namespace: owner, batch: `${owner}/b`, status: "succeeded" };
  const answers: Readonly<Record<string, unknown>> = {
    ownerOf: owner,
    get: { run, spec: {} },
    page: { runs: [run], cursor: undefined },
    untilSettled: { run, spec: {} },
    submitBatch: { id: `${owner}/b` },
    batch: { id: `${owner}/b` },
    batchStatus: { id: `${owner}/b` },
  };
  const lists: Readonly<Record<string, readonly unknown[]>> = {
    select: [run],
    batches: [{ id: `${owner}/b` }],
    watch: [{ id: "1-1", event: { type: "snapshot", run } }],
    watchBatch: [{ id: `${owner}/b` }],
    batchResults: [],
    batchErrors: [],
    changeBatch: [],
    cancelBatch: [],
    retryBatch: [],
  };
  const service = new Proxy(
    {},
    {
      get:
        (_target, name: string) =>
        (...args: readonly unknown[]) => {
          calls.push([name, args]);
          const list = lists[name];
          return list === undefined ? Promise.resolve(answers[name]) : generate(list);
        },
    },
  ) as unknown as RunService;
  return { service, calls };
}

async function* noLines(): AsyncGenerator<never, void, void> {}

const signal = new AbortController().signal;
type Ask = (runs: RunService) => unknown;
/** Everything that names a run. */
const OF_A_RUN: Readonly<Record<string, Ask>> = {
  get: (runs) => runs.get(ID),
  ownerOf: (runs) => runs.ownerOf(ID),
  fork: (runs) => runs.fork(ID),
  conversation: (runs) => runs.conversation(ID),
  watch: (runs) => runs.watch(ID, {}, signal).next(),
  untilSettled: (runs) => runs.untilSettled(ID, signal),
  result: (runs) => runs.result(ID, signal),
  resultNow: (runs) => runs.resultNow(ID),
  cancel: (runs) => runs.cancel(ID),
  pause: (runs) => runs.pause(ID),
  resume: (runs) => runs.resume(ID),
  retry: (runs) => runs.retry(ID),
  input: (runs) => runs.input(ID, { message: "x" }),
  // It reads nothing of the run but its id before that is checked.
  notice: (runs) => runs.notice({ id: ID } as Run),
  clientCalls: (runs) => runs.clientCalls(ID),
  askedCalls: (runs) => runs.askedCalls(ID),
  approve: (runs) => runs.approve(ID),
  reject: (runs) => runs.reject(ID),
};
/** Everything that names a batch. */
const OF_A_BATCH: Readonly<Record<string, (runs: RunService, id: string) => unknown>> = {
  batch: (runs, id) => runs.batch(id),
  batchStatus: (runs, id) => runs.batchStatus(id),
  watchBatch: (runs, id) => runs.watchBatch(id, signal).next(),
  batchResults: (runs, id) => runs.batchResults(id, {}, signal).next(),
  batchErrors: (runs, id) => runs.batchErrors(id, {}, signal).next(),
  setBatchBudget: (runs, id) => runs.setBatchBudget(id, {}),
  changeBatch: (runs, id) => runs.changeBatch(id, {}, signal).next(),
  cancelBatch: (runs, id) => runs.cancelBatch(id, signal).next(),
  retryBatch: (runs, id) => runs.retryBatch(id, {}, signal).next(),
  submitBatch: (runs, id) => runs.submitBatch(noLines(), { id }, signal),
};

async function outcomeOf(ask: () => unknown): Promise<unknown> {
  try {
    return await ask();
  } catch (error) {
    return error;
  }
}

describe.each(Object.entries(OF_A_RUN))("%s", (name, ask) => {
  test("of another's run is not found, and nothing is done", async () => {
    for (const owner of ["theirs", undefined]) {
      const { service, calls } = serviceOf(owner ?? "");
      const outcome = await outcomeOf(() => ask(scopedRuns(service, { namespace: "mine" })));
      expect(outcome).toBeInstanceOf(BatonError);
      expect(outcome).toMatchObject({ code: "not_found" });
      expect(calls.map(([called]) => called)).toEqual(["ownerOf"]);
    }
  });

  test("of one's own run is done", async () => {
    const { service, calls } = serviceOf("mine");
    const outcome = await outcomeOf(() => ask(scopedRuns(service, { namespace: "mine" })));
    expect(outcome).not.toBeInstanceOf(Error);
    expect(calls.map(([called]) => called)).toContain(name);
  });
});

describe.each(Object.entries(OF_A_BATCH))("%s", (_name, ask) => {
  test("knows a batch by its own name alone: no name leads to another's", async () => {
    const { service, calls } = serviceOf("mine");
    await outcomeOf(() => ask(scopedRuns(service, { namespace: "mine" }), "b"));
    expect(calls.length).toBeGreaterThan(0);
    for (const [, args] of calls) expect(JSON.stringify(args)).toMatch(/"mine\/b"/);
    for (const id of ["theirs/b", "../theirs/b", "mine/b", "/"]) {
      const other = serviceOf("theirs");
      const outcome = await outcomeOf(() => ask(scopedRuns(other.service, { namespace: "mine" }), id));
      expect(outcome, id).toMatchObject({ code: "not_found" });
      expect(other.calls).toEqual([]);
    }
  });
});

describe("what is made and listed", () => {
  test("is of the namespace, whatever the caller says", async () => {
    const { service, calls } = serviceOf("mine");
    const runs = scopedRuns(service, { namespace: "mine" });
    await runs.submit({}, { namespace: "theirs", batch: { id: "b", customId: "c" } });
    await runs.fork(ID, { namespace: "theirs" });
    await Array.fromAsync(runs.select({ status: "failed", namespace: "theirs", batch: "b" }));
    await runs.page({ namespace: "theirs" } as Parameters<RunService["page"]>[0]);
    await Array.fromAsync(runs.batches({ namespace: "theirs" }));
    const told = calls.filter(([name]) => name !== "ownerOf");
    expect(told.map(([name]) => name)).toEqual(["submit", "fork", "select", "page", "batches"]);
    for (const [, args] of told) {
      expect(JSON.stringify(args)).toContain('"namespace":"mine"');
      expect(JSON.stringify(args)).not.toContain("theirs");
    }
  });

  test("names batches as the caller does", async () => {
    const runs = scopedRuns(serviceOf("mine").service, { namespace: "mine" });
    expect((await runs.get(ID)).run.batch).toBe("b");
    expect((await Array.fromAsync(runs.select({ status: "failed" })))[0]?.batch).toBe("b");
    expect((await Array.fromAsync(runs.batches({})))[0]?.id).toBe("b");
    expect((await runs.batchStatus("b")).id).toBe("b");
    const [first] = await Array.fromAsync(runs.watch(ID, {}, signal));
    expect(first).toMatchObject({ event: { run: { batch: "b" } } });
  });
});

test("whoever sees all has the service itself", () => {
  const { service } = serviceOf("mine");
  expect(scopedRuns(service, {})).toBe(service);
});

test("every method of the service that names a run or a batch is tried above", () => {
  const scoped = scopedRuns(serviceOf("mine").service, { namespace: "mine" });
  const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(scoped)).filter(
    (name) => name !== "constructor",
  );
  const others = [
    "submit",
    "select",
    "page",
    "batches",
    "pools",
    "pool",
    "workers",
    "pausePool",
    "setPool",
    "resumePool",
  ];
  expect(methods.toSorted()).toEqual(
    [...Object.keys(OF_A_RUN), ...Object.keys(OF_A_BATCH), ...others].toSorted(),
  );
});
