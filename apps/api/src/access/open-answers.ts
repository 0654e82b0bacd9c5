/**
 * Requests that are under way, by the key that they showed. A stream may last as long as a run, so a key that ends must
 * end what it opened; and one key may not hold all connections of the server.
 */
import type { FastifyReply } from "fastify";
import { answerEarly } from "../availability/answer-early.ts";
import { HttpProblem } from "../problem.ts";

export class OpenAnswers {
  readonly #ofKeys = new Map<string, Set<FastifyReply>>();

  /** How many requests of the key are under way. */
  count(keyId: string): number {
    return this.#ofKeys.get(keyId)?.size ?? 0;
  }

  /** From here until its connection is done with it. */
  add(keyId: string, reply: FastifyReply): void {
    const open = this.#ofKeys.get(keyId) ?? new Set();
    this.#ofKeys.set(keyId, open.add(reply));
    reply.raw.once("close", () => {
      open.delete(reply);
      if (open.size === 0 && this.#ofKeys.get(keyId) === open) this.#ofKeys.delete(keyId);
    });
  }

  /** Ends what keys have open that are none any more: refused where nothing was said yet, else cut. */
  end(isKey: (keyId: string) => boolean): void {
    for (const [keyId, open] of this.#ofKeys) {
      if (isKey(keyId)) continue;
      for (const reply of open) end(reply);
    }
  }
}

export function keyEnded(): HttpProblem {
  return new HttpProblem(
    "unauthorized",
    401,
    "the API key was revoked or has expired meanwhile: make another one with `baton keys create NAME`",
  );
}

function end(reply: FastifyReply): void {
  const challenge = ["www-authenticate", 'Bearer realm="baton", error="invalid_token"'] as const;
  if (reply.sent || reply.raw.headersSent) reply.raw.destroy();
  else answerEarly(reply.header(...challenge), keyEnded());
}
