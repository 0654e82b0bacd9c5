/** What the adapters of one provider share. */
import { type ModelId, TIMER_MS_MAX } from "@baton/core";
import type { CallLimits } from "./call-guard.ts";
import type { CallContext } from "./failure.ts";

export interface ProviderContext {
  readonly baseURL: string;
  readonly apiKey: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly limits: CallLimits;
  readonly callContext: (model: ModelId) => CallContext;
}

/**
 * The same for each client. No retries, since Baton retries; no redirects, since one more request would not be
 * counted and would carry the key elsewhere; no log, since it would hold prompts.
 */
export const REQUEST_OPTIONS = {
  maxRetries: 0,
  // The clocks of a call are its guard's, not the SDK's.
  timeout: TIMER_MS_MAX,
  logLevel: "off",
  fetchOptions: { redirect: "manual" },
} as const;
