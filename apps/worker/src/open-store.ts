/** The store of one app, with a producer on it. */
import type { Config, IdSource } from "@baton/core";
import { Producer } from "@baton/producer";
import {
  type ConnectedStore,
  cipherOf,
  connectStore,
  type EncryptionKey,
  type RetentionMs,
} from "@baton/store";

export interface Store extends ConnectedStore {
  readonly producer: Producer;
}

export interface StoreOptions {
  readonly url: string;
  /** BATON_SHARDS. */
  readonly shards?: number | undefined;
  /** BATON_ENCRYPTION_KEYS; none: nothing is encrypted. */
  readonly encryptionKeys?: readonly EncryptionKey[] | undefined;
  readonly config: Config;
  readonly ids: IdSource;
  readonly onError: (error: Error) => void;
}

const DAY_MS = 86_400_000;

/** Throws as `connectStore` does. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { url, shards, encryptionKeys = [], config, ids, onError } = options;
  const store = await connectStore({
    url,
    shards,
    cipher: cipherOf({ keys: encryptionKeys, random: ids.random }),
    retentionMs: retentionMs(config.retention),
    onError,
  });
  const accountOf = (provider: string): string => config.providers[provider]?.account ?? provider;
  return { ...store, producer: new Producer({ ...store, ids, accountOf }) };
}

/** `false` keeps runs for ever, which the store is told as 0. */
function retentionMs({ days, succeeded, failed, cancelled }: Config["retention"]): RetentionMs {
  const ms = (own: number | false | undefined): number => {
    const kept = own ?? days;
    return kept === false ? 0 : kept * DAY_MS;
  };
  return { succeeded: ms(succeeded), failed: ms(failed), cancelled: ms(cancelled) };
}
