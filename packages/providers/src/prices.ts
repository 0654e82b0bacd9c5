/**
 * What a model call cost, in USD: from the operator's price, else from the list that the price library carries.
 *
 * - What is not known is null, never a guess. A model counts as known under the provider that the list calls by the
 *   same name: a gateway that offers another vendor's model has prices of its own.
 * - The library is asked what it carries and never goes to the network. It is large, so it is loaded at the first
 *   call that needs it: tens of milliseconds, once in a process.
 * - `Usage` and the library mean the same by "input": all of it, with what was read from a cache and written to one.
 * - Prices of writes to a cache are those of the shortest time that it is kept, which is what Baton asks for.
 */
import { createRequire } from "node:module";
import { type Config, type ModelId, type ModelPrice, splitModelId, type Usage } from "@baton/core";

type Library = typeof import("@pydantic/genai-prices");
/** Of one model: from the usage of a call to USD. */
type Price = (usage: Usage) => number | null;

export interface PriceOptions {
  /** Milliseconds since 1970: listed prices change with time. By default the library looks at the clock itself. */
  readonly now?: () => number;
}

/** Names of providers that are known by another in the list. */
const LISTED_AS: Readonly<Record<string, string>> = { xai: "x-ai", gemini: "google" };
/** Ids of models come with requests too, so what is remembered of them has a bound. */
const MODELS_MAX = 1_000;

/** The price of one call in USD, or null where it is not known. */
export function createPrices(
  models: Config["models"],
  { now }: PriceOptions = {},
): (model: ModelId, usage: Usage) => number | null {
  const known = new Map<ModelId, Price>();
  const load = libraryLoader();
  return (model, usage) => {
    // A count that exceeds what it is a part of was told wrong, and cannot be priced.
    if (usage.cachedInputTokens + usage.cacheWriteTokens > usage.inputTokens) return null;
    if (usage.reasoningTokens > usage.outputTokens) return null;
    let price = known.get(model);
    if (price === undefined) {
      if (known.size >= MODELS_MAX) known.clear();
      const own = Object.hasOwn(models, model) ? models[model]?.price : undefined;
      price = own === undefined ? listedPrice(model, load(), now) : (counts) => costAt(own, counts);
      known.set(model, price);
    }
    return price(usage);
  };
}

const MILLION = 1_000_000;

function costAt(price: ModelPrice, usage: Usage): number {
  const { input, output, cachedInput = input, cacheWrite = input } = price;
  const plain = usage.inputTokens - usage.cachedInputTokens - usage.cacheWriteTokens;
  return (
    (plain * input +
      usage.cachedInputTokens * cachedInput +
      usage.cacheWriteTokens * cacheWrite +
      usage.outputTokens * output) /
    MILLION
  );
}

function listedPrice(
  model: ModelId,
  { findProvider, calcPrice }: Library,
  now: (() => number) | undefined,
): Price {
  const { provider: name, model: ref } = splitModelId(model);
  const listed = LISTED_AS[name] ?? name;
  const provider = findProvider({ providerId: listed });
  // The library also takes names that merely hold a known one, such as `my-openai-proxy`.
  if (provider?.id !== listed) return () => null;
  const found = calcPrice({}, ref, { provider });
  if (found === null) return () => null;
  // A provider of this one model spares the library its search at each call.
  const alone = { ...provider, models: [{ ...found.model, match: { equals: ref } }] };
  return (usage) => {
    const counts = {
      input_tokens: usage.inputTokens,
      cache_read_tokens: usage.cachedInputTokens,
      cache_write_tokens: usage.cacheWriteTokens,
      output_tokens: usage.outputTokens,
      // Priced apart by few, and else as the output that it is a part of.
      output_reasoning_tokens: usage.reasoningTokens,
    };
    const at = now === undefined ? {} : { timestamp: new Date(now()) };
    const result = calcPrice(counts, ref, { provider: alone, ...at });
    return result === null || !covers(result.model_price) ? null : result.total_price;
  };
}

/** Free models have no prices at all; one that has some must have those of text, else it is not one that talks. */
function covers(price: Readonly<Record<string, unknown>>): boolean {
  const keys = Object.keys(price);
  return keys.length === 0 || (keys.includes("input_mtok") && keys.includes("output_mtok"));
}

function libraryLoader(): () => Library {
  let library: Library | undefined;
  return () => {
    // `require`, because a price is wanted at once, in the middle of a turn. Its types are those of the import.
    library ??= createRequire(import.meta.url)("@pydantic/genai-prices") as Library;
    return library;
  };
}
