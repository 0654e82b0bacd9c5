/**
 * Where the environment is read: once, at the start of an app, into one object. Nothing below the apps looks at
 * `process.env`.
 *
 * | variable        | meaning                                             | default        |
 * | --------------- | --------------------------------------------------- | -------------- |
 * | BATON_REDIS_URL | the Redis to use; absent: one of Baton's own        |                |
 * | BATON_SHARDS    | shards of a new store, 1 to 256; another number is refused | the store's, 1 for a new one |
 * | BATON_ENCRYPTION_KEYS | `<id>:<base64 of 32 bytes>[,…]`: what callers wrote is encrypted in Redis | not encrypted |
 * | BATON_DATA_DIR  | Baton's data, Redis' among it                       | `.baton`       |
 * | BATON_CONFIG    | the configuration file                              | baton.config.* |
 * | BATON_SERVER    | the HTTP API through which the command line works, instead of on Redis | |
 * | BATON_API_KEY   | the key for it                                      |                |
 * | BATON_LOG       | pino level of a worker's log: trace … fatal, silent | info           |
 * | BATON_METRICS_PORT | where a worker serves its metrics; 0 for a free port | not at all |
 * | BATON_METRICS_HOST | on which address                                 | 127.0.0.1      |
 */
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { BatonError, type IdSource, randomPool, SHARDS_MAX } from "@baton/core";
import { type EncryptionKey, parseEncryptionKeys } from "@baton/store";
import { z } from "zod";

export interface Environment {
  readonly redisUrl: string | undefined;
  /** What a new store is to have; absent: whatever the store has. */
  readonly shards: number | undefined;
  /** The first one seals what is written to Redis; none: it is written as it is. */
  readonly encryptionKeys: readonly EncryptionKey[];
  /** Absolute. */
  readonly dataDir: string;
  readonly configPath: string | undefined;
  readonly server: { readonly url: string | undefined; readonly apiKey: string | undefined };
  readonly logLevel: z.infer<typeof logLevelSchema>;
  readonly metrics: { readonly port: number | undefined; readonly host: string };
  /** All variables: providers' keys and servers' settings are looked up by the names that the configuration gives. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

const logLevelSchema = z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]);

const portSchema = z.coerce.number().int().min(0).max(65_535);

export function readEnvironment(variables: Readonly<Record<string, string | undefined>>): Environment {
  const logLevel = logLevelSchema.safeParse(present(variables.BATON_LOG) ?? "info");
  if (!logLevel.success) {
    throw new BatonError(
      "invalid_config",
      `BATON_LOG is ${variables.BATON_LOG}: use ${logLevelSchema.options.join(", ")}`,
    );
  }
  return {
    redisUrl: present(variables.BATON_REDIS_URL),
    shards: readShards(present(variables.BATON_SHARDS)),
    encryptionKeys: readKeys(present(variables.BATON_ENCRYPTION_KEYS)),
    dataDir: resolve(present(variables.BATON_DATA_DIR) ?? ".baton"),
    configPath: present(variables.BATON_CONFIG),
    server: { url: present(variables.BATON_SERVER), apiKey: present(variables.BATON_API_KEY) },
    logLevel: logLevel.data,
    metrics: {
      port: portOf("BATON_METRICS_PORT", variables),
      host: present(variables.BATON_METRICS_HOST) ?? "127.0.0.1",
    },
    variables,
  };
}

function readShards(text: string | undefined): number | undefined {
  const shards = z.coerce.number().int().min(1).max(SHARDS_MAX).optional().safeParse(text);
  if (shards.success) return shards.data;
  throw new BatonError("invalid_config", `BATON_SHARDS is ${text}: use a number from 1 to ${SHARDS_MAX}`);
}

function readKeys(text: string | undefined): readonly EncryptionKey[] {
  return text === undefined ? [] : parseEncryptionKeys(text);
}

/** The clock and the randomness of the machine. */
export const systemIds: IdSource = { now: () => Date.now(), random: randomPool(randomBytes) };

function portOf(name: string, variables: Environment["variables"]): number | undefined {
  const text = present(variables[name]);
  if (text === undefined) return undefined;
  const port = portSchema.safeParse(text);
  if (port.success) return port.data;
  throw new BatonError("invalid_config", `${name} is ${text}: use a port, or 0 for a free one`);
}

function present(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
