/** Models whose calls last until the test ends them, so that it decides how many phases are at work. */
import { type AdapterLookup, type ModelId, type ModelReply, NO_USAGE, splitModelId } from "@baton/core";
import { until } from "../../../../test/support/until.ts";

export interface GatedModels {
  readonly adapters: AdapterLookup;
  /** The models of the calls under way, oldest first. */
  readonly atWork: () => readonly ModelId[];
  /** The models of all calls, in the order in which they began. */
  readonly begun: readonly ModelId[];
  /** The most calls that were ever under way at once. */
  readonly most: () => number;
  /** Resolves when so many calls are under way, of this model or of all. */
  reach(count: number, model?: ModelId): Promise<void>;
  /** Ends the oldest calls, of this model or of any. */
  end(count: number, model?: ModelId): void;
  /** From now on a call ends after `ms`; those under way end now. */
  flow(ms: number): void;
  /** From now on the test ends them again. */
  gate(): void;
}

export function gatedModels(): GatedModels {
  const calls: { readonly model: ModelId; readonly end: () => void }[] = [];
  const begun: ModelId[] = [];
  let most = 0;
  let flowMs: number | undefined;
  const of = (model: ModelId | undefined) =>
    calls.filter((call) => model === undefined || call.model === model);
  const adapters: AdapterLookup = (model) => ({
    async call(_, __, signal): Promise<ModelReply> {
      const { promise, resolve } = Promise.withResolvers<void>();
      const call = { model, end: resolve };
      calls.push(call);
      begun.push(model);
      most = Math.max(most, calls.length);
      signal.addEventListener("abort", () => resolve(), { once: true });
      if (flowMs !== undefined) setTimeout(resolve, flowMs);
      await promise;
      calls.splice(calls.indexOf(call), 1);
      signal.throwIfAborted();
      return {
        parts: [{ type: "text", text: "done" }],
        stopReason: "end",
        usage: { ...NO_USAGE, inputTokens: 1, outputTokens: 1 },
        origin: { provider: splitModelId(model).provider, api: "openai-chat", model },
      };
    },
  });
  return {
    adapters,
    atWork: () => calls.map(({ model }) => model),
    begun,
    most: () => most,
    async reach(count, model) {
      await until(() => of(model).length === count, {
        what: `${count} calls${model === undefined ? "" : ` of ${model}`} under way`,
      });
    },
    end(count, model) {
      for (const call of of(model).slice(0, count)) call.end();
    },
    flow(ms) {
      flowMs = ms;
      for (const call of [...calls]) call.end();
    },
    gate() {
      flowMs = undefined;
    },
  };
}
