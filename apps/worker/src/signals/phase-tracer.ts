/**
 * The hooks of a worker, as spans by OpenTelemetry's conventions for generative AI:
 *
 *     invoke_workflow         the run: sent when it ends, by whoever ended it, from its submission on
 *     └─ invoke_agent         a phase at work under one claim; links to the claim that wrote before it
 *        ├─ chat              a model call
 *        └─ execute_tool      a tool call
 *
 * What was said is on no span: it may be secret, and it is in the conversation.
 */
import { type BatonError, type ModelReply, splitModelId, type ToolCallPart } from "@baton/core";
import type { Claimed, Outcome } from "@baton/store";
import {
  type CallSignals,
  NO_SIGNALS,
  type PhaseSignals,
  type Signals,
  type ToolSignals,
} from "@baton/worker";
import {
  type Attributes,
  type Context,
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { phaseSpanId, type RunTrace, submittedAt, traceOfRun } from "./trace-ids.ts";

export interface TracerParts {
  readonly tracer: Tracer;
  /** Names the next span that the tracer starts, and its trace if it has no parent. */
  readonly nameNext: (ids: { readonly traceId: string; readonly spanId: string }) => void;
  readonly isSampled: (run: RunTrace) => boolean;
  readonly now: () => number;
}

const NAME_CHARS_MAX = 128;

export function tracerSignals(parts: TracerParts): Signals {
  return {
    phaseBegan: (claimed) => {
      const run = traceOfRun(claimed.claim.runId, claimed.trace);
      return parts.isSampled(run) ? new PhaseTracer(parts, run, claimed) : NO_SIGNALS.phaseBegan(claimed);
    },
    // Whose trace such a run belongs to is not known here; its phases are in it.
    runEnded: NO_SIGNALS.runEnded,
  };
}

class PhaseTracer implements PhaseSignals {
  readonly #parts: TracerParts;
  readonly #run: RunTrace;
  readonly #claimed: Claimed;
  readonly #span: Span;
  readonly #context: Context;
  readonly #common: Attributes;
  #isOver = false;

  constructor(parts: TracerParts, run: RunTrace, claimed: Claimed) {
    this.#parts = parts;
    this.#run = run;
    this.#claimed = claimed;
    const { claim, phase, attempt, takeover, spec } = claimed;
    const { provider, model } = splitModelId(claim.pool);
    this.#common = {
      "gen_ai.conversation.id": claim.runId,
      "gen_ai.provider.name": provider === "xai" ? "x_ai" : provider,
      "gen_ai.request.model": model,
    };
    const name = spec.phases?.[phase]?.name ?? model;
    parts.nameNext({ traceId: run.traceId, spanId: phaseSpanId(claim.runId, claim.epoch) });
    this.#span = parts.tracer.startSpan(
      `invoke_agent ${name}`,
      {
        kind: SpanKind.INTERNAL,
        attributes: {
          "gen_ai.operation.name": "invoke_agent",
          "gen_ai.agent.name": name,
          ...this.#common,
          "baton.phase": phase,
          "baton.attempt": attempt,
          "baton.takeover": takeover,
        },
        links: linksOf(run, claimed),
      },
      contextOf(run.traceId, run.runSpanId),
    );
    this.#context = trace.setSpan(ROOT_CONTEXT, this.#span);
  }

  callBegan(): CallSignals {
    const { model } = splitModelId(this.#claimed.claim.pool);
    const attributes = { "gen_ai.operation.name": "chat", "gen_ai.request.stream": true, ...this.#common };
    const options = { kind: SpanKind.CLIENT, attributes };
    return new CallTracer(this.#parts.tracer.startSpan(`chat ${model}`, options, this.#context), this.#parts);
  }

  toolBegan(call: ToolCallPart): ToolSignals {
    const name = call.name.slice(0, NAME_CHARS_MAX);
    const attributes = {
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.tool.name": name,
      "gen_ai.tool.call.id": call.callId.slice(0, NAME_CHARS_MAX),
      "gen_ai.conversation.id": this.#claimed.claim.runId,
    };
    const options = { kind: SpanKind.INTERNAL, attributes };
    return toolTracer(this.#parts.tracer.startSpan(`execute_tool ${name}`, options, this.#context));
  }

  toolAnswered(outcome: "unknown" | "refused"): void {
    this.#span.addEvent("baton.tool_not_run", { "baton.outcome": outcome });
  }

  retried(code: string): void {
    this.#span.addEvent("baton.retry", { "error.type": code });
  }

  fenced(): void {
    this.#span.addEvent("baton.fenced");
  }

  ended(why: string, outcome: Outcome | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#span.setAttribute("baton.outcome", why);
    if (outcome?.kind === "failed") fail(this.#span, outcome.code);
    else if (outcome === undefined) fail(this.#span, why);
    this.#span.end();
    if (outcome?.kind === "succeeded" || outcome?.kind === "failed") this.#endRun(outcome);
  }

  [Symbol.dispose](): void {
    this.ended("broke", undefined);
  }

  #endRun(outcome: Extract<Outcome, { kind: "succeeded" | "failed" }>): void {
    const { claim, handoffs } = this.#claimed;
    const { submitter, traceId, runSpanId } = this.#run;
    this.#parts.nameNext({ traceId, spanId: runSpanId });
    const span = this.#parts.tracer.startSpan(
      "invoke_workflow baton.run",
      {
        kind: SpanKind.INTERNAL,
        // Another machine's clock may be ahead of this one's.
        startTime: Math.min(submittedAt(claim.runId), this.#parts.now()),
        attributes: {
          "gen_ai.operation.name": "invoke_workflow",
          "gen_ai.workflow.name": "baton.run",
          "gen_ai.conversation.id": claim.runId,
          "baton.status": outcome.kind,
          "baton.handoffs": handoffs,
        },
      },
      submitter === undefined ? ROOT_CONTEXT : contextOf(submitter.traceId, submitter.spanId),
    );
    if (outcome.kind === "failed") fail(span, outcome.code);
    span.end();
  }
}

/** A parent that is known by its ids alone; only what is sampled comes here. */
function contextOf(traceId: string, spanId: string): Context {
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
  });
}

/** The claim before this one is the one that wrote the last item; the input has no claim. */
function linksOf({ traceId }: RunTrace, { claim, items }: Claimed): Link[] {
  const last = items.at(-1);
  if (last === undefined || last.epoch === 0 || last.epoch >= claim.epoch) return [];
  const context = { traceId, spanId: phaseSpanId(claim.runId, last.epoch), traceFlags: TraceFlags.SAMPLED };
  return [{ context }];
}

class CallTracer implements CallSignals {
  readonly #span: Span;
  readonly #parts: TracerParts;
  readonly #startedAt: number;
  #hasBegun = false;

  constructor(span: Span, parts: TracerParts) {
    this.#span = span;
    this.#parts = parts;
    this.#startedAt = parts.now();
  }

  delta(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    const seconds = (this.#parts.now() - this.#startedAt) / 1_000;
    this.#span.setAttribute("gen_ai.response.time_to_first_chunk", seconds);
  }

  replied({ usage, stopReason, origin, answeredBy }: ModelReply, costUsd: number | null): void {
    this.#span.setAttributes({
      "gen_ai.response.model": answeredBy?.slice(0, NAME_CHARS_MAX) ?? splitModelId(origin.model).model,
      "gen_ai.response.finish_reasons": [stopReason],
      "gen_ai.usage.input_tokens": usage.inputTokens,
      "gen_ai.usage.output_tokens": usage.outputTokens,
      "gen_ai.usage.cache_read.input_tokens": usage.cachedInputTokens,
      "gen_ai.usage.cache_creation.input_tokens": usage.cacheWriteTokens,
      "gen_ai.usage.reasoning.output_tokens": usage.reasoningTokens,
      ...(origin.responseId === undefined ? {} : { "gen_ai.response.id": origin.responseId }),
      ...(costUsd === null ? {} : { "baton.cost_usd": costUsd }),
    });
    this.#span.end();
  }

  failed({ code }: BatonError): void {
    fail(this.#span, code);
    this.#span.end();
  }

  lost(): void {
    fail(this.#span, "aborted");
    this.#span.end();
  }
}

function toolTracer(span: Span): ToolSignals {
  const endAs = (errorType: string | undefined): void => {
    if (errorType !== undefined) fail(span, errorType);
    span.end();
  };
  return { ended: (isError) => endAs(isError ? "tool_error" : undefined), lost: () => endAs("aborted") };
}

/** An error is told by its class: its message may hold what was said. */
function fail(span: Span, errorType: string): void {
  span.setAttribute("error.type", errorType);
  span.setStatus({ code: SpanStatusCode.ERROR });
}
