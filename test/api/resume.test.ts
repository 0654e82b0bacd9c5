/**
 * Readers of events that lose their connection at random places, while the API and Redis are killed and started again
 * under them: what each has read in the end is the whole story, without gap or duplicate.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { RunId } from "@baton/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { numberOf } from "../chaos/random.ts";
import { ApiProcess } from "../support/api-process.ts";
import { sendSignal } from "../support/processes.ts";
import { freshRedis, type PrivateRedis } from "../support/redis.ts";
import { scriptedModels } from "../support/scripted-model.ts";
import { eventsIn, openSse, type SseFrame } from "../support/sse-client.ts";
import { until } from "../support/until.ts";
import { openRig, type Rig } from "../support/worker-rig.ts";

const SEED = Number(process.env.BATON_TEST_SEED ?? 20261121);
const RUNS = 5;
const READERS_OF_EACH = 4;
const DELTAS = 1_200;
const CUT_BEHIND_MAX = 60;
const ROUNDS_MAX = 2_000;

let redis: PrivateRedis;
let rig: Rig;
let api: ApiProcess;
beforeAll(async () => {
  redis = await freshRedis();
  rig = await openRig(redis.url);
  await rig.ledger.redis.config("SET", "appendfsync", "always");
  const models = scriptedModels(async (_request, signal, onDelta) => {
    for (let count = 0; count < DELTAS && !signal.aborted; count += 1) {
      // Kinds in turn, so that they are not put together: an entry of the stream has many events.
      onDelta({ kind: count % 2 === 0 ? "text" : "reasoning", text: `${count} ` });
      await delay(5);
    }
    return { parts: [{ type: "text", text: "done" }] };
  });
  await rig.startWorker({ adapters: models.adapters, patterns: ["sim/*"] });
  api = await ApiProcess.start(redis.url);
});
afterAll(async () => {
  await api?.[Symbol.asyncDispose]();
  await rig?.[Symbol.asyncDispose]();
  await redis?.[Symbol.asyncDispose]();
});

interface Reader {
  readonly frames: SseFrame[];
  connections: number;
}

/** Reads to the end, over as many connections as it takes. */
async function readAll(id: RunId, reader: Reader, name: string): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const lastEventId = reader.frames.at(-1)?.id ?? "0-0";
    const behind = numberOf(1, CUT_BEHIND_MAX, SEED, name, round);
    let isOver = false;
    let seen = 0;
    const onFrame = (frame: SseFrame, drop: () => void): void => {
      if (frame.event === "end") isOver = true;
      else reader.frames.push(frame);
      seen += 1;
      if (seen >= behind) drop();
    };
    const opened = await openSse(`${api.url}/v1/runs/${id}/events`, { lastEventId, onFrame }).catch(
      () => null,
    );
    if (opened?.status === 204) return;
    if (opened?.status === 200) {
      reader.connections += 1;
      await opened.ended;
      if (isOver) return;
    } else {
      // It is down, or says that Redis is: as a reader waits before it comes again.
      await delay(50);
    }
  }
  throw new Error(`no end of ${id} after ${ROUNDS_MAX} connections`);
}

test(`no reader misses or repeats an event (seed ${SEED})`, async () => {
  const ids = await Promise.all(
    Array.from({ length: RUNS }, async (_, place) => {
      const { runId } = await rig.producer.submit({ input: `run ${place}`, model: "sim/a" });
      return runId;
    }),
  );
  const readings = ids.flatMap((id, run) =>
    Array.from({ length: READERS_OF_EACH }, (_, place) => {
      const reader: Reader = { frames: [], connections: 0 };
      return { id, reader, done: readAll(id, reader, `${run}/${place}`) };
    }),
  );
  const told = () => Math.min(...readings.map(({ reader }) => reader.frames.length));
  const far = (share: number) =>
    until(() => told() >= DELTAS * share, { what: `${share} of the story at all readers`, withinMs: 60_000 });
  await far(0.1);
  await api.process.kill();
  await api.startAgain();
  await far(0.3);
  sendSignal(redis.pid, "SIGKILL");
  await redis.restart();
  await far(0.6);
  await api.process.kill();
  await api.startAgain();
  await Promise.all(readings.map(({ done }) => done));
  for (const { id, reader } of readings) {
    const whole = await openSse(`${api.url}/v1/runs/${id}/events?after=0-0`);
    await whole.ended;
    const story = eventsIn(whole.frames);
    expect(story.length).toBeGreaterThan(DELTAS);
    expect(reader.connections, "it was cut all the time").toBeGreaterThan(10);
    expect(reader.frames.map((frame) => frame.id)).toEqual(story.map((event) => event.id));
    expect(eventsIn(reader.frames)).toEqual(story);
  }
}, 120_000);
