/** What Redis holds and what it was sent, as text, for tests that look for what must not be there. */
import { Redis } from "ioredis";
import { unpackLog } from "../../packages/store/src/index.ts";

/** Every key with all that it holds, packed conversations unpacked where they can be. */
export async function contentsOf(redis: Redis): Promise<ReadonlyMap<string, string>> {
  const contents = new Map<string, string>();
  for (const key of await redis.keys("*")) contents.set(key, (await contentOf(redis, key)).join("\n"));
  return contents;
}

async function contentOf(redis: Redis, key: string): Promise<readonly string[]> {
  const type = await redis.type(key);
  switch (type) {
    case "string":
      return [(await redis.get(key)) ?? ""];
    case "list":
      return unpackLog(await redis.lrangeBuffer(key, 0, -1));
    case "set":
      return redis.smembers(key);
    case "zset":
      return redis.zrange(key, "0", "-1", "WITHSCORES");
    case "hash":
      return Object.entries(await redis.hgetall(key)).flat();
    case "stream":
      return (await redis.xrange(key, "-", "+")).flatMap(([id, fields]) => [id, ...fields]);
    case "none":
      // It expired meanwhile.
      return [];
    default:
      throw new Error(`no key is of type ${type}: ${key}`);
  }
}

export interface CommandWatch extends Disposable {
  /** In the order in which they came, arguments apart; those of scripts and those that scripts sent. */
  readonly commands: readonly string[];
  /** Resolves when all that was sent before is in `commands`. */
  settled(): Promise<void>;
}

const COMMANDS_MAX = 100_000;

/** Sees each command that a Redis is sent, whole, from now on. */
export async function watchCommands(url: string): Promise<CommandWatch> {
  const [asker, sender] = [new Redis(url), new Redis(url)];
  const monitor = await asker.monitor();
  const commands: string[] = [];
  const marks = new Map<string, () => void>();
  monitor.on("monitor", (_time: string, args: readonly string[]) => {
    marks.get(args.at(-1) ?? "")?.();
    if (commands.length === COMMANDS_MAX) throw new Error("the test sends more commands than are kept");
    commands.push(args.join("\n"));
  });
  let count = 0;
  return {
    commands,
    async settled() {
      count += 1;
      const { promise, resolve } = Promise.withResolvers<void>();
      marks.set(`mark ${count}`, resolve);
      await sender.echo(`mark ${count}`);
      await promise;
    },
    [Symbol.dispose]() {
      for (const client of [monitor, asker, sender]) client.disconnect();
    },
  };
}
