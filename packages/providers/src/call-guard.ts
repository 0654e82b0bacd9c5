/**
 * The two clocks of a model call, and the caller's signal, as one signal: the whole call may take `modelCallMs`, or
 * the request's `timeoutMs` where that is shorter, and no more than `modelIdleMs` may pass without a byte. Whoever
 * comes first gives the reason.
 *
 * Any byte counts as life, pings and comments too. While a model thinks unseen they are all that comes, for minutes:
 * Anthropic's `ping`, the `keepalive` of OpenAI and Azure, the comments of gateways such as OpenRouter and LiteLLM. A
 * clock that wanted content would end calls that are well, and buy their thinking again. A provider that pings and
 * never answers is ended by the other clock.
 */
import { BatonError, type Limits, type ModelRequest, splitModelId, TIMER_MS_MAX } from "@baton/core";

export type CallLimits = Pick<Limits, "modelIdleMs" | "modelCallMs">;

export interface CallGuard {
  /** Aborted with the error to throw: a `BatonError`, or the reason of the caller's signal. */
  readonly signal: AbortSignal;
  /** A byte came in. */
  readonly touch: () => void;
  /** Stops the clocks; the guard's signal is not aborted by it. */
  readonly dispose: () => void;
}

export function guardCall(
  { model, timeoutMs = Number.POSITIVE_INFINITY }: Pick<ModelRequest, "model" | "timeoutMs">,
  limits: CallLimits,
  caller: AbortSignal,
): CallGuard {
  const controller = new AbortController();
  const { provider } = splitModelId(model);
  const late = (what: string) =>
    controller.abort(
      new BatonError("provider_timeout", `${provider} ${what}`, {
        retry: "backoff",
        fields: { provider, model },
      }),
    );
  const onAbort = () => controller.abort(caller.reason);
  const { modelIdleMs } = limits;
  const callMs = Math.min(limits.modelCallMs, timeoutMs);
  const call = setTimeout(() => late(`took more than ${callMs} ms`), Math.min(callMs, TIMER_MS_MAX));
  const idle = setTimeout(
    () => late(`sent nothing for ${modelIdleMs} ms`),
    Math.min(modelIdleMs, TIMER_MS_MAX),
  );
  if (caller.aborted) onAbort();
  else caller.addEventListener("abort", onAbort, { once: true });
  return {
    signal: controller.signal,
    touch: () => {
      idle.refresh();
    },
    dispose: () => {
      clearTimeout(call);
      clearTimeout(idle);
      caller.removeEventListener("abort", onAbort);
    },
  };
}
