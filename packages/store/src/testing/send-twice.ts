/**
 * Sends each script twice, as a client does whose connection broke before the reply (R1), and answers with the
 * second reply. What the second sending changed in Redis is kept for the test to look at.
 */
import type { RedisClient } from "../redis-client.ts";
import { defineScripts, type RunScript, type ScriptName } from "../scripts.ts";
import { type Dump, dumpRedis } from "./dump-redis.ts";

export interface TwiceSent {
  readonly name: ScriptName;
  readonly afterOnce: Dump;
  readonly afterTwice: Dump;
}

export interface Twice {
  readonly run: RunScript;
  readonly sent: readonly TwiceSent[];
}

/** What may differ after the second sending, and nothing else may. */
const DIFFERS: Partial<Record<ScriptName, RegExp>> = {
  // Echo for watchers: it may be there twice.
  publish: /:events$/,
  // The time until which what was said is believed.
  learn: /:limits?(:|$)/,
  lease: /:limit-calls:/,
  room: /:room$/,
};

export function sendTwice(redis: RedisClient): Twice {
  const send = defineScripts(redis);
  const sent: TwiceSent[] = [];
  const dump = async (name: ScriptName): Promise<Dump> => {
    const all = Object.entries(await dumpRedis(redis));
    return Object.fromEntries(all.filter(([key]) => DIFFERS[name]?.test(key) !== true));
  };
  const run: RunScript = async (name, keys, args) => {
    await send(name, keys, args);
    const afterOnce = await dump(name);
    const reply = await send(name, keys, args);
    sent.push({ name, afterOnce, afterTwice: await dump(name) });
    return reply;
  };
  return { run, sent };
}
