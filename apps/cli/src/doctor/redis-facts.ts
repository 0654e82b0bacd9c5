/** Asks a Redis about itself, over the connection that its people's commands use. */
import { toBatonError } from "@baton/core";
import { checkRedis, type openFailFastConnection } from "@baton/store";

export type Connection = Awaited<ReturnType<typeof openFailFastConnection>>;

export interface RedisFacts {
  readonly info: ReadonlyMap<string, string>;
  /** Undefined when the server does not tell, as managed services do. */
  readonly appendfsync: string | undefined;
  readonly save: string | undefined;
  /** Milliseconds, in the order of asking. */
  readonly pingsMs: readonly number[];
  /** Redis' time minus this machine's, in milliseconds. */
  readonly skewMs: number;
  /** Why every other command refuses this Redis. */
  readonly refusal: string | undefined;
}

const PINGS = 9;

export async function gatherRedis(redis: Connection): Promise<RedisFacts> {
  const pingsMs: number[] = [];
  for (let count = 0; count < PINGS; count += 1) {
    const started = performance.now();
    // Not PING: a Redis that cannot write refuses it, and is to tell here what it lacks.
    await redis.time();
    pingsMs.push(performance.now() - started);
  }
  const before = Date.now();
  const [seconds = 0, micros = 0] = await redis.time();
  // The reply was made somewhere between the two looks at the own clock.
  const here = (before + Date.now()) / 2;
  const [info, appendfsync, save, refusal] = await Promise.all([
    redis.info("everything"),
    setting(redis, "appendfsync"),
    setting(redis, "save"),
    checkRedis(redis).then(
      () => undefined,
      (error: unknown) => toBatonError(error).message,
    ),
  ]);
  const skewMs = Number(seconds) * 1_000 + Number(micros) / 1_000 - here;
  return { info: parseInfo(info), appendfsync, save, pingsMs, skewMs, refusal };
}

export function parseInfo(text: string): ReadonlyMap<string, string> {
  const lines = text.split(/\r?\n/).filter((line) => !line.startsWith("#") && line.includes(":"));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]));
}

async function setting(redis: Connection, name: string): Promise<string | undefined> {
  try {
    const value = Object.values(await redis.config("GET", name)).at(-1);
    return value === undefined ? undefined : String(value);
  } catch {
    // CONFIG is forbidden; INFO still tells what matters most.
    return undefined;
  }
}
