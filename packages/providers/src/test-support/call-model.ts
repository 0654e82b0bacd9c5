/** Calls a model through the package's own front door, against a server of the test's. */
import type { BatonError, ModelDelta, ModelId, ModelReply, ModelRequest } from "@baton/core";
import { createAdapters } from "../create-adapters.ts";
import { apiOf, log, request, user } from "./items.ts";

export const KEY = "a-key-that-nobody-may-see";

export interface CallOptions {
  readonly request?: Partial<ModelRequest>;
  readonly limits?: { readonly modelIdleMs: number; readonly modelCallMs: number };
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
  readonly onDelta?: (delta: ModelDelta) => void;
}

export interface Called {
  readonly reply: ModelReply;
  readonly deltas: readonly ModelDelta[];
}

export function caller(url: string, model: ModelId, options: CallOptions = {}): () => Promise<Called> {
  const provider = model.slice(0, model.indexOf("/"));
  const api = apiOf(model);
  const adapter = createAdapters({
    providers: {
      [provider]: {
        api,
        baseURL: api === "anthropic-messages" ? url : `${url}/v1`,
        apiKey: KEY,
        apiKeyName: "THE_KEY",
        headers: options.headers ?? {},
      },
    },
    limits: options.limits ?? { modelIdleMs: 5_000, modelCallMs: 10_000 },
  })(model);
  return async () => {
    const deltas: ModelDelta[] = [];
    const asked = request(model, options.request?.items ?? log(user("hi")), options.request);
    const signal = options.signal ?? new AbortController().signal;
    const onDelta = options.onDelta ?? ((delta: ModelDelta) => deltas.push(delta));
    const reply = await adapter.call(asked, onDelta, signal);
    return { reply, deltas };
  };
}

/** The error that a call ends in. */
export async function failure(call: () => Promise<unknown>): Promise<BatonError> {
  try {
    await call();
  } catch (error) {
    // What calls end in is checked by the test's expectations on code and retry.
    return error as BatonError;
  }
  throw new Error("the call succeeded");
}
