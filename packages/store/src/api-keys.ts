/**
 * The API's keys: what each may do, kept in one hash for all API processes, and the rate at which each may ask. A process
 * reads all of them when their revision has changed (`read`), and hears of a change by a hint (`EventHub.subscribeApiKeys`).
 *
 * The text of a key is nowhere here: only its hash is (R9).
 */
import { BatonError, budgetSchema, describeIssues, type IdSource, newOperationId } from "@baton/core";
import { z } from "zod";
import { API_KEY_ID, hashApiKey, newApiKey } from "./api-key-text.ts";
import { apiKeysKey, requestsKey } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";
import { defineScripts, type RunScript } from "./scripts.ts";
import { NAMESPACE } from "./spaces.ts";

/** `read`: look at runs, batches and pools. `submit`: make and steer runs and batches. `operate`: steer pools. */
export const API_KEY_SCOPES = ["read", "submit", "operate"] as const;
export type ApiKeyScope = (typeof API_KEY_SCOPES)[number];

/** Every process has all of them at hand. */
export const API_KEYS_MAX = 10_000;

const apiKeyGrantSchema = z.strictObject({
  /** What people call it. */
  name: z.string().min(1).max(100),
  scopes: z.array(z.enum(API_KEY_SCOPES)).min(1),
  /** Whose runs are seen and made; absent: all of them, and new ones belong to nobody. */
  namespace: z
    .string()
    .regex(NAMESPACE, "has 1 to 64 small letters, digits, dots, dashes, underscores, a letter or digit first")
    .optional(),
  /** Requests a minute. */
  rpm: z.int().min(1).max(1_000_000).optional(),
  /** Runs of the namespace at once that have not ended. */
  maxLive: z.int().min(1).max(1_000_000_000).optional(),
  /** What the namespace may spend in all. */
  budget: budgetSchema.optional(),
  /** Milliseconds since 1970. */
  expiresAt: z.number().optional(),
});
export type ApiKeyGrant = Readonly<z.infer<typeof apiKeyGrantSchema>>;

const apiKeyRecordSchema = apiKeyGrantSchema.extend({
  v: z.literal(1),
  id: z.string().regex(API_KEY_ID),
  /** SHA-256 of its text. */
  hash: z.string(),
  /** Milliseconds since 1970. */
  createdAt: z.number(),
});
export type ApiKeyRecord = Readonly<z.infer<typeof apiKeyRecordSchema>>;

export interface KnownApiKeys {
  /** Changes with each change; undefined when no key was ever made, or all were dropped together. */
  readonly rev: string | undefined;
  readonly keys: ReadonlyMap<string, ApiKeyRecord>;
}

export interface Taken {
  readonly isTaken: boolean;
  /** How many may be made at once now. */
  readonly left: number;
  /** Until there is one more. */
  readonly nextMs: number;
  readonly fullMs: number;
}

/** Without a namespace, or with `undefined` in its place, a key has one of its own: its id. */
export type NewApiKeyGrant = Omit<ApiKeyGrant, "namespace"> & {
  readonly namespace?: string | "all" | undefined;
};

export type ApiKeys = ReturnType<typeof openApiKeys>;

/** `run` calls the scripts on `redis`; tests pass one that repeats calls. */
export function openApiKeys(
  redis: Pick<RedisClient, "hget" | "hgetall"> & Parameters<typeof defineScripts>[0],
  ids: IdSource,
  run: RunScript = defineScripts(redis),
) {
  const change = async (how: "add" | "drop" | "drop_all", id: string, record: string): Promise<string> => {
    const args = [newOperationId(ids), how, id, record, String(API_KEYS_MAX)];
    const [said] = await run("key", [apiKeysKey()], args);
    return String(said);
  };
  return {
    /** Makes a key; its text is told here alone. Throws `invalid_spec` for what no key can be granted. */
    async create(grant: NewApiKeyGrant): Promise<{ readonly text: string; readonly record: ApiKeyRecord }> {
      const { id, text } = newApiKey(ids);
      const record = recordOf(grant, id, text, ids.now());
      const said = await change("add", id, JSON.stringify(record));
      if (said === "added") return { text, record };
      throw new BatonError(
        "not_possible",
        said === "full"
          ? `there are ${API_KEYS_MAX} API keys, and no more fit: revoke those that are not used (baton keys ls)`
          : "the id of the new key is another's: make it again",
      );
    },

    /** Drops a key. Throws `not_found`. */
    async revoke(id: string): Promise<void> {
      if (API_KEY_ID.test(id) && (await change("drop", id, "")) === "dropped") return;
      throw new BatonError("not_found", "there is no API key of that id: `baton keys ls` lists them");
    },

    /** Drops all, and forgets that there were any. */
    async revokeAll(): Promise<void> {
      await change("drop_all", "", "");
    },

    /** All keys, or undefined when they are those of the revision that the caller knows. */
    async read(known?: KnownApiKeys): Promise<KnownApiKeys | undefined> {
      if (known !== undefined && ((await redis.hget(apiKeysKey(), "rev")) ?? undefined) === known.rev)
        return undefined;
      const { rev, ...records } = await redis.hgetall(apiKeysKey());
      return { rev, keys: readRecords(records) };
    },

    /** Counts a request of a key at its rate, for all processes together. */
    async take(id: string, perMinute: number): Promise<Taken> {
      const args = [newOperationId(ids), String(perMinute)];
      const [said, left, nextMs, fullMs] = await run("take", [requestsKey(id)], args);
      return {
        isTaken: said === "taken",
        left: Number(left),
        nextMs: Number(nextMs),
        fullMs: Number(fullMs),
      };
    },
  };
}

function recordOf(
  { namespace, ...grant }: NewApiKeyGrant,
  id: string,
  text: string,
  now: number,
): ApiKeyRecord {
  const parsed = apiKeyGrantSchema.safeParse({
    ...grant,
    ...(namespace === "all" ? {} : { namespace: namespace ?? id }),
  });
  if (!parsed.success) {
    throw new BatonError("invalid_spec", `no key can be made so: ${describeIssues(parsed.error)}`, {
      cause: parsed.error,
    });
  }
  const { maxLive, budget, expiresAt } = parsed.data;
  if (namespace === "all" && (maxLive !== undefined || budget !== undefined)) {
    throw new BatonError(
      "invalid_spec",
      "a bound of live runs or a budget is a namespace's: give the key a namespace, or leave the bound out",
    );
  }
  if (expiresAt !== undefined && expiresAt <= now) {
    throw new BatonError("invalid_spec", "the key would have expired before it is made");
  }
  return { ...parsed.data, v: 1, id, hash: hashApiKey(text), createdAt: now };
}

/** What cannot be read, of a later version perhaps, is no key: nobody gets in by it. */
function readRecords(records: Readonly<Record<string, string>>): KnownApiKeys["keys"] {
  const keys = new Map<string, ApiKeyRecord>();
  for (const [id, text] of Object.entries(records)) {
    const record = apiKeyRecordSchema.safeParse(parseJson(text));
    if (record.success && record.data.id === id) keys.set(id, record.data);
  }
  return keys;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Read as a record that is none.
    return undefined;
  }
}
