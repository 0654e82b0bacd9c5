/** The store of a command that works on Redis: the Redis that it found or started, and what it knows of it. */
import { type Config, toBatonError } from "@baton/core";
import { startRedis } from "@baton/redis-embedded";
import { describeUrl } from "@baton/store";
import { type Environment, openStore, type Store, systemIds } from "@baton/worker-app";

export interface LocalStore extends AsyncDisposable {
  readonly store: Store;
  /** Where Redis answers, without a password. */
  readonly redis: string;
}

export interface LocalStoreOptions {
  readonly environment: Environment;
  readonly config: Config;
  /** What goes on meanwhile, for people. */
  readonly say: (line: string) => void;
  readonly onError: (error: Error) => void;
}

export async function openLocalStore(options: LocalStoreOptions): Promise<LocalStore> {
  const { environment, config, say, onError } = options;
  const { dataDir, shards, encryptionKeys, variables } = environment;
  const redis = await startRedis({ dataDir, env: variables, log: say });
  let store: Store;
  try {
    store = await openStore({ url: redis.url, shards, encryptionKeys, config, ids: systemIds, onError });
  } catch (error) {
    await redis.stop();
    throw toBatonError(error);
  }
  for (const warning of store.fitness.warnings) say(`warning: ${warning}`);
  return {
    store,
    redis: describeUrl(redis.url),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await redis.stop();
    },
  };
}
