/**
 * A worker as a process of its own, with models that answer what they are asked to. Argument: JSON of
 * `WorkerProcessOptions`. It says `ready`, and stops when its input is closed.
 */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import {
  BatonError,
  type Item,
  type ModelDelta,
  type ModelRequest,
  NO_USAGE,
  type Part,
  splitModelId,
  textOf,
} from "@baton/core";
import { openRig } from "../support/worker-rig.ts";

export interface WorkerProcessOptions {
  readonly redisUrl: string;
  /** Of a model call. */
  readonly latencyMs: number;
  readonly concurrency: number;
  readonly patterns: readonly string[];
}

const SLOW_MS = 300;
/** A story is told in so many words, one each so often. */
const STORY_WORDS = 60;
const STORY_WORD_MS = 100;

// Whoever started it gives it these.
const { redisUrl, latencyMs, concurrency, patterns } = JSON.parse(
  process.argv[2] ?? "{}",
) as WorkerProcessOptions;
await using rig = await openRig(redisUrl);
await rig.startWorker({
  adapters: (model) => ({
    async call(request, onDelta, signal) {
      return {
        parts: await replyTo(request, onDelta, signal),
        stopReason: wantsLook(request) ? "tool_use" : "end",
        usage: { ...NO_USAGE, inputTokens: 10, outputTokens: 5 },
        origin: { provider: splitModelId(model).provider, api: "openai-chat", model },
      };
    },
  }),
  patterns,
  concurrency,
});
process.stdout.write("ready\n");
process.stdin.resume();
await once(process.stdin, "end");

/** Fails, takes long, tells a story, or calls the caller's function `look` where the request says so. */
async function replyTo(
  request: ModelRequest,
  onDelta: (delta: ModelDelta) => void,
  signal: AbortSignal,
): Promise<readonly Part[]> {
  const said = request.items[0] === undefined ? "" : textOf(request.items[0]);
  if (said.includes("fail")) throw new BatonError("provider_rejected", "the model was told to fail");
  if (wantsLook(request)) {
    return [
      { type: "tool_call", callId: "call_look", name: "look", arguments: { kind: "object", value: {} } },
    ];
  }
  if (said.includes("story")) {
    for (let word = 0; word < STORY_WORDS; word += 1) {
      await delay(STORY_WORD_MS, undefined, { signal });
      onDelta({ kind: "text", text: "word " });
    }
    return [{ type: "text", text: "word ".repeat(STORY_WORDS) }];
  }
  await delay(said.includes("slow") ? SLOW_MS : latencyMs, undefined, { signal });
  onDelta({ kind: "text", text: "Hello." });
  return [{ type: "text", text: "Hello." }];
}

function wantsLook({ tools, items }: ModelRequest): boolean {
  const last: Item | undefined = items.at(-1);
  return tools.some(({ name }) => name === "look") && last?.role !== "tool";
}
