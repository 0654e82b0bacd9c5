/** The store of one app, with a producer on it. */
import type { Config, IdSource } from "@baton/core";
import { Producer } from "@baton/producer";
import { type ConnectedStore, connectStore } from "@baton/store";

export interface Store extends ConnectedStore {
  readonly producer: Producer;
}

export interface StoreOptions {
  readonly url: string;
  readonly config: Config;
  readonly ids: IdSource;
  readonly onError: (error: Error) => void;
}

const DAY_MS = 86_400_000;

/** Throws as `connectStore` does. */
export async function openStore({ url, config, ids, onError }: StoreOptions): Promise<Store> {
  const store = await connectStore({ url, retentionMs: config.retention.days * DAY_MS, onError });
  return { ...store, producer: new Producer({ ...store, ids }) };
}
