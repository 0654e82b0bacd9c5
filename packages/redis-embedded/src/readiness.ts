/** Waits until a server that was started, by us or by another process, answers with its data loaded. */
import { BatonError } from "@baton/core";
import { pause } from "./pause.ts";
import { type ProbeAnswer, probe } from "./probe.ts";
import type { StartContext } from "./start-context.ts";

const LOADING_MS_MAX = 600_000;
const PROBE_EVERY_MS = 10;

export type ReadyAnswer = Extract<ProbeAnswer, { kind: "loading" | "ready" }>;

export interface AwaitedServer {
  readonly url: string;
  /** For errors, such as `process 4711`. */
  readonly name: string;
  /** Whether an answer on `url` is this server's. */
  readonly isIt: (answer: ReadyAnswer) => boolean;
  readonly isAlive: () => Promise<boolean>;
}

/** Undefined when the server ended; throws when it lives but does not get ready. */
export async function waitUntilReady(
  server: AwaitedServer,
  { answerWithinMs, log }: StartContext,
  signal: AbortSignal | undefined,
): Promise<ReadyAnswer | undefined> {
  const answering = AbortSignal.timeout(answerWithinMs);
  const loading = AbortSignal.timeout(LOADING_MS_MAX);
  let saidLoading = false;
  for (;;) {
    signal?.throwIfAborted();
    const answer = await probe(server.url);
    if (answer.kind === "ready" && server.isIt(answer)) return answer;
    if (!(await server.isAlive())) return undefined;
    if (answer.kind === "loading" && !saidLoading) {
      saidLoading = true;
      log("Redis is loading its data …");
    }
    if (answer.kind === "loading" ? loading.aborted : answering.aborted) throw notReady(server, answer);
    await pause(PROBE_EVERY_MS, signal);
  }
}

function notReady(server: AwaitedServer, answer: ProbeAnswer): BatonError {
  const state = {
    none: "does not accept connections",
    silent: "takes connections and does not answer",
    loading: "is still loading its data",
    ready: "is not the one that answers on its address",
  }[answer.kind];
  return new BatonError(
    "redis_unreachable",
    `the Redis of this data folder (${server.name}) runs, but ${state}; end it, then start again`,
    { retry: "backoff" },
  );
}
