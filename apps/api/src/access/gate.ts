/**
 * Who may come in. An API on loopback for which no key was ever made asks for none. As soon as one is made, and always on an
 * address that other machines reach, each request shows a key; probes alone do not.
 */

import { randomBytes } from "node:crypto";
import { BatonError } from "@baton/core";
import { type ConnectedStore, openApiKeys } from "@baton/store";
import { isLoopbackHost } from "../hardening/loopback.ts";
import { KeyRing } from "./key-ring.ts";
import { OpenAnswers } from "./open-answers.ts";
import { createRequestRate, type RequestRate } from "./request-rate.ts";

export interface Gate extends AsyncDisposable {
  readonly ring: KeyRing;
  readonly rate: RequestRate;
  /** What keys have under way; ended when their key is. */
  readonly answers: OpenAnswers;
  /** Whether a request must show a key, now. */
  readonly demandsKeys: () => boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface GateOptions {
  readonly store: Pick<ConnectedStore, "connection" | "hub">;
  /** Where the API listens. */
  readonly host: string;
  /** Opens to other machines without a key, too: each request is refused until one is made. */
  readonly awaitKey?: boolean | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}

/** Throws `invalid_config` when other machines would reach the API and nobody has a key to it. */
export async function openGate({ store, host, awaitKey, now, onError }: GateOptions): Promise<Gate> {
  const { connection, hub } = store;
  const keys = openApiKeys(connection, { now, random: randomBytes });
  const answers = new OpenAnswers();
  const onLook = (known: KeyRing): void => answers.end((id) => known.has(id));
  const ring = await KeyRing.open({ keys, hub, now, onError, onLook });
  const isPublic = !isLoopbackHost(host);
  if (isPublic && ring.size === 0 && awaitKey !== true) {
    await ring[Symbol.asyncDispose]();
    throw new BatonError(
      "invalid_config",
      `other machines reach ${host}, and there is no API key: make one with \`baton keys create NAME\`, say --await-key to make it later, or listen on 127.0.0.1`,
    );
  }
  return {
    ring,
    rate: createRequestRate({ keys, connection, now, onError }),
    answers,
    demandsKeys: () => isPublic || ring.wereMade,
    now,
    [Symbol.asyncDispose]: () => ring[Symbol.asyncDispose](),
  };
}
