/**
 * What a model adapter is: it renders a conversation for one API, makes exactly one call (no retries of its
 * own: Baton retries, so that each attempt is seen), and reads the reply back into parts.
 */
import type { Item, Origin, Part, StopReason } from "./item.ts";
import type { ModelId } from "./model-id.ts";
import type { ModelSettings, ResponseFormat, ToolChoice } from "./spec.ts";
import type { ToolDefinition } from "./tool-host.ts";
import type { Usage } from "./usage.ts";

export interface ModelRequest {
  readonly model: ModelId;
  readonly instructions: string | undefined;
  /** The conversation that this model sees, in order; `control` items and `tool_started` parts are skipped. */
  readonly items: readonly Item[];
  /** Sorted by name, so that the same phase always renders to the same bytes. */
  readonly tools: readonly ToolDefinition[];
  readonly toolChoice?: ToolChoice | undefined;
  readonly settings: ModelSettings;
  readonly responseFormat?: ResponseFormat | undefined;
  /** This call may take no longer, whatever the configuration allows: what is left of a deadline. */
  readonly timeoutMs?: number | undefined;
}

/** What is shown while a reply comes in. Deltas are never the truth; the reply is. */
export type ModelDelta =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "reasoning"; readonly text: string }
  | { readonly kind: "tool_call"; readonly callId: string; readonly name: string }
  | { readonly kind: "dropped_setting"; readonly setting: string; readonly why: string }
  /** Not part of the reply: what the provider said of its limits, also when it refused the call. */
  | { readonly kind: "rate_limit"; readonly report: RateLimitReport };

/** One limit as a provider told it, of a minute as a rule. */
export interface RateLimit {
  readonly limit?: number | undefined;
  readonly remaining?: number | undefined;
  /** Until all of it is there again. */
  readonly resetMs?: number | undefined;
}

/** What a provider said of the limits of a model; what it did not say is absent. */
export interface RateLimitReport {
  readonly requests?: RateLimit | undefined;
  /** Input and output together. */
  readonly tokens?: RateLimit | undefined;
  readonly inputTokens?: RateLimit | undefined;
  readonly outputTokens?: RateLimit | undefined;
}

export interface ModelReply {
  readonly parts: readonly Part[];
  readonly stopReason: StopReason;
  readonly usage: Usage;
  readonly origin: Origin;
  /** The model that answered, by the provider's word: often a dated name of the one that was asked for. */
  readonly answeredBy?: string | undefined;
}

export interface ModelAdapter {
  /**
   * One model call, streamed. Throws `BatonError` with a retry class; an abort by `signal` throws the
   * signal's reason.
   */
  call(request: ModelRequest, onDelta: (delta: ModelDelta) => void, signal: AbortSignal): Promise<ModelReply>;
}

/** Finds the adapter of a model, or throws `unknown_provider` / `missing_key` with the line that helps. */
export type AdapterLookup = (model: ModelId) => ModelAdapter;
