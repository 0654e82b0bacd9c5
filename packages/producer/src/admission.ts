/**
 * Whoever bounds the live runs of a namespace lets each run in, one by one: a new one, and one that is retried. The bound is
 * held around the one script call that makes the run live, and around nothing else.
 */
import type { Late } from "@baton/store";

export interface AdmissionOptions {
  /** Lets each run in; absent: there is no bound. */
  readonly admission?: Admission | undefined;
}

export interface Admission {
  /**
   * Calls `act` when there is room, with the time until which there is, and never gives `late`. Without room `act` may be
   * called with a time that is over: then it finds what is there already. Throws when there is none.
   */
  admit<Reply extends { readonly kind: string }>(
    act: (until: number) => Promise<Reply | Late>,
  ): Promise<Reply>;
}
