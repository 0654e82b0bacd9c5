/**
 * Calls over HTTP that are under way in this process, so that a client can cancel them. Over HTTP a cancellation is a
 * request of its own, and no server is kept between requests: what joins the two is the caller, the session id, which
 * this process made up and checks nowhere, and the number that the client gave its request. A cancellation that comes to
 * another process finds nothing; the call then ends by its own time.
 */
import type { RequestId } from "@modelcontextprotocol/sdk/types.js";
import type { Principal } from "../access/principal.ts";

export interface Caller {
  readonly principal: Pick<Principal, "keyId" | "namespace">;
  /** What the client sent as its session; without one its calls cannot be cancelled. */
  readonly session: string | undefined;
}

export class OpenCalls {
  /** Of a caller's session, by the client's own numbers. */
  readonly #sessions = new Map<string, Map<RequestId, () => void>>();

  get size(): number {
    return [...this.#sessions.values()].reduce((sum, calls) => sum + calls.size, 0);
  }

  /** Gives what forgets the call, once it has ended. */
  add(caller: Caller, ids: readonly RequestId[], end: () => void): () => void {
    const key = keyOf(caller);
    if (key === undefined) return () => undefined;
    const calls = this.#sessions.get(key) ?? new Map<RequestId, () => void>();
    this.#sessions.set(key, calls);
    for (const id of ids) calls.set(id, end);
    return () => {
      for (const id of ids) if (calls.get(id) === end) calls.delete(id);
      if (calls.size === 0 && this.#sessions.get(key) === calls) this.#sessions.delete(key);
    };
  }

  cancel(caller: Caller, id: RequestId): void {
    this.#of(caller)?.get(id)?.();
  }

  /** Cancels all calls of the session. */
  cancelAll(caller: Caller): void {
    for (const end of [...(this.#of(caller)?.values() ?? [])]) end();
  }

  #of(caller: Caller): Map<RequestId, () => void> | undefined {
    const key = keyOf(caller);
    return key === undefined ? undefined : this.#sessions.get(key);
  }
}

/** Of another key's or another namespace's session nobody cancels a call, even if its id became known. */
function keyOf({ principal, session }: Caller): string | undefined {
  return session === undefined
    ? undefined
    : JSON.stringify([principal.keyId ?? null, principal.namespace ?? null, session]);
}
