/**
 * A Redis that test files share, one after the other: `BATON_TEST_REDIS_URL`, a container's as a rule. It is emptied,
 * so the name is one that no program reads. What a file sets with `CONFIG SET` is undone behind it.
 */
import { Redis } from "ioredis";

/** What tests set. */
const SETTINGS = ["appendfsync", "appendonly", "maxmemory", "maxmemory-policy", "requirepass", "save"];

export interface SharedRedis extends AsyncDisposable {
  readonly url: string;
}

/** Undefined when each file is to have a server of its own. */
export async function sharedRedis(
  variables: Readonly<Record<string, string | undefined>>,
): Promise<SharedRedis | undefined> {
  const url = variables.BATON_TEST_REDIS_URL;
  if (url === undefined || url === "") return undefined;
  const client = new Redis(url, { maxRetriesPerRequest: 1 });
  const before: string[] = [];
  for (const name of SETTINGS) {
    const reply: unknown = await client.config("GET", name);
    if (Array.isArray(reply)) before.push(...reply.map(String));
  }
  return {
    url,
    async [Symbol.asyncDispose]() {
      await client.config("SET", ...before);
      client.disconnect();
    },
  };
}
