import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { modelIdSchema } from "./model-id.ts";
import {
  isTerminal,
  RUN_STATUSES,
  type RunState,
  type RunStatus,
  type RunTransition,
  transition,
  WAIT_REASONS,
} from "./state.ts";

const pools = ["openai/a", "anthropic/b"].map((id) => modelIdSchema.parse(id));
const [a = modelIdSchema.parse("x/y"), b = a] = pools;

const event: fc.Arbitrary<RunTransition> = fc.oneof(
  fc.constantFrom<RunTransition>(
    { kind: "claim" },
    { kind: "succeed" },
    { kind: "fail" },
    { kind: "cancel" },
    { kind: "pause" },
    { kind: "resume" },
    { kind: "retry" },
    { kind: "requeue" },
    { kind: "admit" },
  ),
  fc.constantFrom(...pools).map((pool): RunTransition => ({ kind: "handoff", pool })),
  fc.constantFrom(...pools).map((pool): RunTransition => ({ kind: "retry", pool })),
  fc.nat().map((notBefore): RunTransition => ({ kind: "requeue", notBefore })),
  fc.constantFrom(...WAIT_REASONS).map((reason): RunTransition => ({ kind: "wait", reason })),
);

const FRESH: RunState = { status: "queued", epoch: 1, ticket: 1, pool: a, notBefore: undefined };

/** A state of each status, as real events lead to it. */
function stateOf(status: RunStatus | "pausing"): RunState {
  const ways: Record<RunStatus | "pausing", readonly RunTransition[]> = {
    queued: [],
    running: [{ kind: "claim" }],
    pausing: [{ kind: "claim" }, { kind: "pause" }],
    waiting: [{ kind: "pause" }],
    succeeded: [{ kind: "claim" }, { kind: "succeed" }],
    failed: [{ kind: "fail" }],
    cancelled: [{ kind: "cancel" }],
  };
  return ways[status].reduce(step, FRESH);
}

/** The state after `to`, which is the same when it was refused. */
function step(state: RunState, to: RunTransition): RunState {
  const result = transition(state, to);
  return result.kind === "moved" ? result.state : state;
}

const EVENTS: Record<RunTransition["kind"], RunTransition> = {
  admit: { kind: "admit" },
  claim: { kind: "claim" },
  handoff: { kind: "handoff", pool: b },
  requeue: { kind: "requeue" },
  wait: { kind: "wait", reason: "budget" },
  succeed: { kind: "succeed" },
  fail: { kind: "fail" },
  cancel: { kind: "cancel" },
  pause: { kind: "pause" },
  resume: { kind: "resume" },
  retry: { kind: "retry" },
};

/** What each status makes of each event: the status that follows; what is not named is refused. */
const TABLE: Record<RunStatus | "pausing", Partial<Record<RunTransition["kind"], RunStatus | "pausing">>> = {
  queued: { claim: "running", requeue: "queued", pause: "waiting", cancel: "cancelled", fail: "failed" },
  running: {
    ...{ claim: "running", handoff: "queued", requeue: "queued", wait: "waiting", pause: "pausing" },
    ...{ succeed: "succeeded", fail: "failed", cancel: "cancelled" },
  },
  pausing: {
    ...{ claim: "waiting", handoff: "waiting", requeue: "waiting", wait: "waiting", pause: "pausing" },
    ...{ succeed: "succeeded", fail: "failed", cancel: "cancelled", resume: "running" },
  },
  waiting: { resume: "queued", cancel: "cancelled", fail: "failed" },
  succeeded: {},
  failed: { retry: "queued" },
  cancelled: { retry: "queued" },
};

describe.each([...RUN_STATUSES, "pausing"] as const)("a %s run", (status) => {
  test.each(Object.values(EVENTS))("answers $kind as the table says", (to) => {
    const from = stateOf(status);
    const result = transition(from, to);
    const expected = TABLE[status][to.kind];
    if (expected === undefined) {
      expect(result).toEqual({ kind: "refused", why: `a ${from.status} run takes no ${to.kind}` });
      return;
    }
    const after = step(from, to);
    expect(result.kind).toBe("moved");
    expect(after.status === "running" && after.pausing ? "pausing" : after.status).toBe(expected);
  });
});

describe("a move", () => {
  test("to another pool is kept while the run is paused on the way", () => {
    expect(step(stateOf("pausing"), EVENTS.handoff)).toMatchObject({
      status: "waiting",
      reason: "paused",
      pool: b,
    });
  });

  test("to a wait is one for the pause, if one was asked for, and sees the other when it goes on", () => {
    expect(step(stateOf("pausing"), EVENTS.wait)).toMatchObject({ status: "waiting", reason: "paused" });
    const asking = step(stateOf("running"), EVENTS.wait);
    expect(asking).toMatchObject({ status: "waiting", reason: "budget" });
    expect(step(asking, EVENTS.pause)).toEqual({ ...asking, reason: "paused" });
  });

  test("by retry goes to the pool that it names, or stays", () => {
    expect(step(stateOf("failed"), { kind: "retry", pool: b })).toMatchObject({ status: "queued", pool: b });
    expect(step(stateOf("failed"), { kind: "retry" })).toMatchObject({ status: "queued", pool: a });
  });

  test("by requeue keeps the time that a queued run waits for, unless it names another", () => {
    const later: RunState = { ...FRESH, status: "queued", notBefore: 500 };
    expect(step(later, { kind: "requeue" })).toMatchObject({ notBefore: 500 });
    expect(step(later, { kind: "requeue", notBefore: 900 })).toMatchObject({ notBefore: 900 });
  });

  test("by claim, handoff or resume leaves no time to wait for", () => {
    const later = step(stateOf("running"), { kind: "requeue", notBefore: 5 });
    const claimed = step(later, { kind: "claim" });
    expect(step(claimed, EVENTS.handoff)).toMatchObject({ notBefore: undefined });
    expect(step(stateOf("waiting"), { kind: "resume" })).toMatchObject({ notBefore: undefined });
  });

  test("by resume waits again for the time that a pause found", () => {
    const paused = step({ ...FRESH, status: "queued", notBefore: 500 }, EVENTS.pause);
    expect(step(paused, EVENTS.resume)).toMatchObject({ status: "queued", notBefore: 500 });
  });
});

describe("a run that waits for its admission", () => {
  const unadmitted: RunState = { ...FRESH, status: "queued", ticket: 0, notBefore: 500 };

  test("is admitted once, with ticket 1, under the same epoch, and may start then", () => {
    const admitted = step(unadmitted, EVENTS.admit);
    expect(admitted).toEqual({ ...unadmitted, ticket: 1, notBefore: undefined });
    expect(transition(admitted, EVENTS.admit).kind).toBe("refused");
  });

  test("is neither claimed nor requeued", () => {
    for (const to of [EVENTS.claim, EVENTS.requeue]) expect(transition(unadmitted, to).kind).toBe("refused");
  });

  test("waits for it again after a resume or a retry", () => {
    for (const [rest, back] of [
      [EVENTS.pause, EVENTS.resume],
      [EVENTS.cancel, EVENTS.retry],
      [EVENTS.fail, EVENTS.retry],
    ] as const)
      expect(step(step(unadmitted, rest), back)).toMatchObject({ status: "queued", ticket: 0, epoch: 3 });
  });
});

test.each([0, 1])("no sequence of events breaks what every state keeps, from ticket %i on", (ticket) => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      let state: RunState = { ...FRESH, status: "queued", ticket };
      for (const to of events) {
        const result = transition(state, to);
        if (result.kind === "refused") {
          expect(result.why).toContain(to.kind);
          continue;
        }
        const after = result.state;
        expect(RUN_STATUSES).toContain(after.status);
        expect(pools).toContain(after.pool);
        // R6: terminal but for an explicit retry, and success for good.
        if (isTerminal(state.status)) {
          expect([state.status, to.kind, after.status]).toEqual([
            expect.stringMatching(/^(failed|cancelled)$/),
            "retry",
            "queued",
          ]);
        }
        if (to.kind === "admit") {
          expect([state.ticket, after]).toEqual([0, { ...state, ticket: 1, notBefore: undefined }]);
          state = after;
          continue;
        }
        if (after.status === "running") expect(after.ticket).toBeGreaterThan(0);
        // R2: nothing but the pause flag moves under a claim's epoch.
        const isFlag =
          after.status === state.status &&
          (to.kind === "pause" || (to.kind === "resume" && after.status === "running"));
        expect(after.epoch).toBe(isFlag ? state.epoch : state.epoch + 1);
        // R7: the ticket rises with each entry of the queue and at no other time; past one after a rest. Before the
        // admission there is no entry.
        const rise = state.status === "queued" || state.status === "running" ? 1 : 2;
        const step = state.ticket === 0 ? 0 : rise;
        expect(after.ticket).toBe(after.status === "queued" ? state.ticket + step : state.ticket);
        state = after;
      }
    }),
  );
});
