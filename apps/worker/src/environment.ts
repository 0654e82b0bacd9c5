/**
 * Where the environment is read: once, at the start of an app, into one object. Nothing below the apps looks at
 * `process.env`.
 *
 * | variable        | meaning                                             | default        |
 * | --------------- | --------------------------------------------------- | -------------- |
 * | BATON_REDIS_URL | the Redis to use; absent: one of Baton's own        |                |
 * | BATON_DATA_DIR  | Baton's data, Redis' among it                       | `.baton`       |
 * | BATON_CONFIG    | the configuration file                              | baton.config.* |
 * | BATON_LOG       | pino level of a worker's log: trace … fatal, silent | info           |
 */
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { BatonError, type IdSource, randomPool } from "@baton/core";
import { z } from "zod";

export interface Environment {
  readonly redisUrl: string | undefined;
  /** Absolute. */
  readonly dataDir: string;
  readonly configPath: string | undefined;
  readonly logLevel: z.infer<typeof logLevelSchema>;
  /** All variables: providers' keys and servers' settings are looked up by the names that the configuration gives. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

const logLevelSchema = z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]);

export function readEnvironment(variables: Readonly<Record<string, string | undefined>>): Environment {
  const logLevel = logLevelSchema.safeParse(variables.BATON_LOG ?? "info");
  if (!logLevel.success) {
    throw new BatonError(
      "invalid_config",
      `BATON_LOG is ${variables.BATON_LOG}: use ${logLevelSchema.options.join(", ")}`,
    );
  }
  return {
    redisUrl: present(variables.BATON_REDIS_URL),
    dataDir: resolve(present(variables.BATON_DATA_DIR) ?? ".baton"),
    configPath: present(variables.BATON_CONFIG),
    logLevel: logLevel.data,
    variables,
  };
}

/** The clock and the randomness of the machine. */
export const systemIds: IdSource = { now: () => Date.now(), random: randomPool(randomBytes) };

function present(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
