/**
 * Sends each script twice, as a client does whose connection broke before the reply (R1), and answers with the
 * second reply. What the second sending changed in Redis is kept for the test to look at.
 */
import type { Redis } from "ioredis";
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

export function sendTwice(redis: Redis): Twice {
  const send = defineScripts(redis);
  const sent: TwiceSent[] = [];
  const dump = async (name: ScriptName): Promise<Dump> => {
    const all = Object.entries(await dumpRedis(redis));
    // What `publish` writes is echo for watchers: sent again it may be there twice, and nothing else may be.
    return Object.fromEntries(all.filter(([key]) => name !== "publish" || !key.endsWith(":events")));
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
