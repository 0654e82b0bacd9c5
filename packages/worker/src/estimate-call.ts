/**
 * What a model call will probably take, told before it is made. The prompt: what the last reply of the same model took,
 * and what came since, by its characters; the output: what replies of the model took lately. An estimate that is too
 * high holds room back for as long as the call lasts; one that is too low is corrected when the usage is known.
 */
import { type Item, isReply, type ModelRequest, type Part, type Usage } from "@baton/core";
import type { Amounts } from "@baton/store";

const CHARS_A_TOKEN = 4;
/** An image or a file, however it is given. */
const FILE_TOKENS = 1_500;
/** A reply of a model of which none was seen. */
const OUTPUT_TOKENS = 1_000;
const OUTPUT_TOKENS_MAX = 4_000;

/** `output`: what replies of the model take, as far as it is known. */
export function estimateCall(
  request: Pick<ModelRequest, "model" | "instructions" | "items" | "tools" | "settings">,
  output: number | undefined,
): Amounts {
  const { max_output_tokens: most } = request.settings;
  const unknown = Math.min(most ?? OUTPUT_TOKENS, OUTPUT_TOKENS_MAX);
  const outputTokens = Math.min(Math.ceil(output ?? unknown), most ?? Number.POSITIVE_INFINITY);
  const { total, cached } = estimatePrompt(request);
  return {
    requests: 1,
    tokens: total + outputTokens,
    inputTokens: Math.max(0, total - cached),
    outputTokens,
  };
}

/** What a call took. What was read from a cache counts among the tokens, not among the input tokens. */
export function amountsOf({ inputTokens, cachedInputTokens, outputTokens }: Usage): Amounts {
  return {
    requests: 1,
    tokens: inputTokens + outputTokens,
    inputTokens: Math.max(0, inputTokens - cachedInputTokens),
    outputTokens,
  };
}

function estimatePrompt({ model, instructions, items, tools }: Parameters<typeof estimateCall>[0]) {
  const last = items.findLastIndex(
    (item) => isReply(item) && item.usage !== undefined && item.origin?.model === model,
  );
  const usage = items[last]?.usage;
  const since = items.slice(last + 1).reduce((sum, item) => sum + tokensOf(item), 0);
  if (usage !== undefined) {
    // Where the prompt before was cached, it is read from there now.
    const cached = usage.cachedInputTokens + usage.cacheWriteTokens;
    return { total: usage.inputTokens + usage.outputTokens + since, cached };
  }
  const chars = (instructions?.length ?? 0) + (tools.length === 0 ? 0 : JSON.stringify(tools).length);
  return { total: Math.ceil(chars / CHARS_A_TOKEN) + since, cached: 0 };
}

function tokensOf({ parts }: Item): number {
  return parts.reduce((sum, part) => sum + tokensIn(part), 0);
}

function tokensIn(part: Part): number {
  switch (part.type) {
    case "text":
      return Math.ceil(part.text.length / CHARS_A_TOKEN);
    case "tool_call": {
      const { arguments: given } = part;
      const chars = given.kind === "object" ? JSON.stringify(given.value).length : given.raw.length;
      return Math.ceil((part.name.length + chars) / CHARS_A_TOKEN);
    }
    case "tool_result":
      return part.content.reduce((sum, one) => sum + tokensIn(one), 0);
    case "handoff":
      return Math.ceil((part.brief.length + part.reason.length) / CHARS_A_TOKEN);
    case "file":
      return FILE_TOKENS;
    // Reasoning goes back to its own model alone, within a loop of tool calls: what it takes stands in the usage then.
    case "reasoning":
    case "tool_started":
    case "record":
      return 0;
  }
}

/** Follows what replies take: their average, and by how much they differ from it, as TCP follows round trips. */
export class OutputAverage {
  #mean = 0;
  #deviation = 0;
  #seen = 0;

  add(tokens: number): void {
    this.#seen += 1;
    const weight = Math.max(1 / this.#seen, 0.1);
    const off = tokens - this.#mean;
    if (this.#seen > 1) this.#deviation += weight * (Math.abs(off) - this.#deviation);
    this.#mean += weight * off;
  }

  /** On the safe side by the usual difference; undefined while nothing was seen. */
  get expected(): number | undefined {
    return this.#seen === 0 ? undefined : this.#mean + this.#deviation;
  }
}
