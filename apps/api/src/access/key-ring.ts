/**
 * The API keys as this process knows them. It has them all at hand, so that a request costs no question to Redis, and reads
 * them anew when it hears of a change, and every five seconds in case it did not. So a key that was revoked is refused at
 * once, and after five seconds at the latest. While Redis is away nothing can be revoked, and the keys stay as they were.
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  type ApiKeyRecord,
  type ApiKeys,
  apiKeyIdOf,
  type EventHub,
  type HintSubscription,
  isSameKey,
  type KnownApiKeys,
} from "@baton/store";

export interface KeyRingOptions {
  readonly keys: Pick<ApiKeys, "read">;
  readonly hub: Pick<EventHub, "subscribeApiKeys">;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
  /** Called when keys may have changed or expired: within five seconds of it. */
  readonly onLook?: ((ring: KeyRing) => void) | undefined;
}

/** Why a text opens nothing; told to the caller, who has the text anyway. */
export type Refusal = "not_a_key" | "unknown" | "expired";

export type Found =
  | { readonly kind: "found"; readonly record: ApiKeyRecord }
  | { readonly kind: "refused"; readonly why: Refusal };

const AGAIN_MS = 1_000;
/** No key has it: a text whose id is unknown takes as long as one whose secret is wrong. */
const NO_HASH = "0".repeat(64);

export class KeyRing implements AsyncDisposable {
  readonly #options: KeyRingOptions;
  readonly #closing = new AbortController();
  #known: KnownApiKeys;
  #following: Promise<void> | undefined;

  private constructor(options: KeyRingOptions, known: KnownApiKeys) {
    this.#options = options;
    this.#known = known;
  }

  static async open(options: KeyRingOptions): Promise<KeyRing> {
    // Subscribed first: what changes behind the first reading is heard of.
    const subscription = await options.hub.subscribeApiKeys();
    try {
      const ring = new KeyRing(options, (await options.keys.read()) ?? { rev: undefined, keys: new Map() });
      ring.#following = ring.#follow(subscription);
      return ring;
    } catch (error) {
      await subscription[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Whether keys were ever made. Stays so when the last one is revoked or expires: an API does not open by itself. */
  get wereMade(): boolean {
    return this.#known.rev !== undefined;
  }

  /** How many there are that have not expired. */
  get size(): number {
    return [...this.#known.keys.values()].filter((record) => !this.#isOver(record)).length;
  }

  /** Whether there is a key of that id, which has not expired. */
  has(id: string): boolean {
    const record = this.#known.keys.get(id);
    return record !== undefined && !this.#isOver(record);
  }

  find(text: string): Found {
    const id = apiKeyIdOf(text);
    if (id === undefined) return { kind: "refused", why: "not_a_key" };
    const record = this.#known.keys.get(id);
    const isSame = isSameKey(text, record?.hash ?? NO_HASH);
    if (record === undefined || !isSame) return { kind: "refused", why: "unknown" };
    return this.#isOver(record) ? { kind: "refused", why: "expired" } : { kind: "found", record };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#following;
  }

  #isOver({ expiresAt }: ApiKeyRecord): boolean {
    return expiresAt !== undefined && expiresAt <= this.#options.now();
  }

  async #follow(subscription: HintSubscription): Promise<void> {
    const { signal } = this.#closing;
    await using _left = subscription;
    while (!signal.aborted) {
      await subscription.wait(signal);
      try {
        await this.#read(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#options.onError(error);
        await delay(AGAIN_MS, undefined, { signal }).catch(() => undefined);
      }
      if (!signal.aborted) this.#options.onLook?.(this);
    }
  }

  /** A reading that waits for a Redis that is away is not waited for when the ring is closed. */
  async #read(signal: AbortSignal): Promise<void> {
    const { promise: closed, resolve } = Promise.withResolvers<undefined>();
    const onClose = (): void => resolve(undefined);
    if (signal.aborted) return;
    signal.addEventListener("abort", onClose, { once: true });
    try {
      this.#known = (await Promise.race([this.#options.keys.read(this.#known), closed])) ?? this.#known;
    } finally {
      signal.removeEventListener("abort", onClose);
    }
  }
}
