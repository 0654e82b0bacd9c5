/** Looks for secrets in whatever a system has said or kept, in every spelling in which they might stand there. */
import { BatonError } from "@baton/core";
import type { RedisClient } from "@baton/store";

export interface Source {
  readonly where: string;
  readonly text: string;
}

/** Which secret is where: `<name> in <where>`; the secret itself is not said again. */
export function findLeaks(
  sources: Iterable<Source>,
  secrets: Readonly<Record<string, string>>,
): readonly string[] {
  const forms = Object.entries(secrets).map(([name, secret]) => ({ name, forms: formsOf(secret) }));
  const found: string[] = [];
  for (const { where, text } of sources) {
    for (const { name, forms: some } of forms) {
      if (some.some((form) => text.includes(form))) found.push(`${name} in ${where}`);
    }
  }
  return found;
}

function formsOf(secret: string): readonly string[] {
  if (secret.length < 16)
    throw new BatonError("internal", "a secret this short may stand anywhere by chance");
  const bytes = Buffer.from(secret);
  const inBase64 = [0, 1, 2].map((shift) => {
    // What stands before it in the same text shifts it; the characters at its ends depend on its neighbours.
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .replace(/=+$/, "");
    return text.slice(4, -4);
  });
  return [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    bytes.toString("hex"),
    [...bytes].join(","),
    ...inBase64,
  ];
}

/** Every key of a Redis with all that it holds, whatever wrote it. */
export async function allOfRedis(redis: RedisClient): Promise<readonly Source[]> {
  const keys = await redis.keys("*");
  return await Promise.all(
    keys.map(async (key) => ({
      where: `Redis, ${key}`,
      text: `${key} ${JSON.stringify(await contentOf(redis, key))}`,
    })),
  );
}

async function contentOf(redis: RedisClient, key: string): Promise<unknown> {
  const type = await redis.type(key);
  switch (type) {
    case "string":
      return redis.get(key);
    case "list":
      return redis.lrange(key, 0, -1);
    case "set":
      return redis.smembers(key);
    case "zset":
      return redis.zrange(key, "0", "-1", "WITHSCORES");
    case "stream":
      return redis.xrange(key, "-", "+");
    case "hash":
      return redis.hgetall(key);
    case "none":
      return undefined;
    default:
      throw new Error(`no key has the type ${type}: ${key}`);
  }
}
