/**
 * What each model takes, by its name. A setting that a model refuses is never sent to fail: the renderers ask
 * here, leave it out and say so. A name that is not known gets the cautious answer for its API.
 *
 * Sources: the vendors' pages on thinking, effort, reasoning and model limits, as of November 2026.
 */
import type { ModelSettings } from "@baton/core";

/** A setting that was left out or changed on its way to the API, and why. */
export interface DroppedSetting {
  readonly setting: string;
  readonly why: string;
}

export type WishedEffort = NonNullable<ModelSettings["effort"]>;
export type ClaudeEffort = "low" | "medium" | "high" | "xhigh" | "max";
export type OpenAiEffort = "none" | "minimal" | ClaudeEffort;

/** `budget`: only with `budget_tokens`; `adaptive`: only as the model sees fit; `both`: either. */
export type ClaudeThinking = "none" | "budget" | "both" | "adaptive";

export interface ClaudeCapabilities {
  /** False for a name that no rule here covers. */
  readonly known: boolean;
  readonly thinking: ClaudeThinking;
  /** Whether the model thinks when the request says nothing of it; `always`: and it cannot be told not to. */
  readonly thinksUnasked: "no" | "yes" | "always";
  /** The `thinking.type` that says no to a model that thinks unasked. */
  readonly thinkingOff: "disabled" | "between_tools";
  /** Whether turning thinking off is refused at effort `xhigh` and `max`. */
  readonly offNeedsEffortHigh: boolean;
  /** Whether the model leaves the text of its thinking out unless the request asks for a summary. */
  readonly thinkingHidden: boolean;
  readonly efforts: readonly ClaudeEffort[];
  readonly outputTokensMax: number;
  /** Whether `output_config.format` is taken. */
  readonly structuredOutput: boolean;
}

export interface OpenAiCapabilities {
  /** A model of OpenAI itself, as against one that another server runs. */
  readonly ofOpenAi: boolean;
  readonly reasons: boolean;
  /** Empty: the effort cannot be set. */
  readonly efforts: readonly OpenAiEffort[];
  /** Whether `temperature` and `top_p` are taken. */
  readonly sampling: boolean;
  readonly stop: boolean;
  /** Whether `verbosity` is taken at other values than `medium`. */
  readonly verbosity: boolean;
  readonly parallelToolCalls: boolean;
  /** Whether Chat Completions takes an effort together with tools. */
  readonly effortWithToolsInChat: boolean;
  readonly images: boolean;
  /** Whether the server wants the reasoning of a turn that called tools back with it. */
  readonly wantsReasoningBack: boolean;
}

const CLAUDE_EFFORTS = {
  none: [],
  high: ["low", "medium", "high"],
  max: ["low", "medium", "high", "max"],
  all: ["low", "medium", "high", "xhigh", "max"],
} as const;

/** What a model behind the Anthropic Messages API takes; `model` is the provider's own name for it. */
export function claudeCapabilities(model: string): ClaudeCapabilities {
  const parsed = parseClaude(model);
  if (parsed === undefined) return { ...CLAUDE_BASE, known: false, thinking: "both", outputTokensMax: 8_192 };
  const { family, version } = parsed;
  if (family === "fable" || family === "mythos") {
    const preview = version < 5;
    return { ...MODERN, thinking: preview ? "both" : "adaptive", thinksUnasked: "always" };
  }
  if (version >= 5) return modernClaude(family, version);
  if (version >= 4.7) return { ...MODERN, thinksUnasked: "no" };
  if (version >= 4.6) {
    return {
      ...CLAUDE_BASE,
      thinking: "both",
      efforts: CLAUDE_EFFORTS.max,
      outputTokensMax: family === "opus" ? 128_000 : 64_000,
      structuredOutput: true,
    };
  }
  return olderClaude(family, version);
}

const CLAUDE_BASE: ClaudeCapabilities = {
  known: true,
  thinking: "none",
  thinksUnasked: "no",
  thinkingOff: "disabled",
  offNeedsEffortHigh: false,
  thinkingHidden: false,
  efforts: CLAUDE_EFFORTS.none,
  outputTokensMax: 64_000,
  structuredOutput: false,
};

const MODERN: ClaudeCapabilities = {
  ...CLAUDE_BASE,
  thinking: "adaptive",
  thinkingHidden: true,
  efforts: CLAUDE_EFFORTS.all,
  outputTokensMax: 128_000,
  structuredOutput: true,
};

function modernClaude(family: string, version: number): ClaudeCapabilities {
  if (family === "opus" && version >= 5.5) return { ...MODERN, thinksUnasked: "always" };
  if (family === "sonnet" && version >= 5.5) {
    return { ...MODERN, thinksUnasked: "yes", thinkingOff: "between_tools" };
  }
  return { ...MODERN, thinksUnasked: "yes", offNeedsEffortHigh: family !== "sonnet" };
}

function olderClaude(family: string, version: number): ClaudeCapabilities {
  if (version < 3.5) return { ...CLAUDE_BASE, outputTokensMax: 4_096 };
  if (version < 3.7) return { ...CLAUDE_BASE, outputTokensMax: 8_192 };
  return {
    ...CLAUDE_BASE,
    thinking: "budget",
    efforts: family === "opus" && version >= 4.5 ? CLAUDE_EFFORTS.high : CLAUDE_EFFORTS.none,
    outputTokensMax: family === "opus" && version < 4.5 ? 32_000 : 64_000,
    structuredOutput: version >= 4.5 || (family === "opus" && version >= 4.1),
  };
}

/** `claude-opus-4-5-20251101`, `claude-opus-4.5`, `claude-3-7-sonnet-latest`; gateways put a vendor in front. */
function parseClaude(model: string): { readonly family: string; readonly version: number } | undefined {
  const name = lastSegment(model);
  const current =
    /claude-(opus|sonnet|haiku|fable|mythos)-(?:(\d{1,2})(?:[-.](\d{1,2})(?!\d))?|preview)/.exec(name);
  if (current?.[1] !== undefined) return { family: current[1], version: versionOf(current[2], current[3]) };
  const older = /claude-(\d)(?:[-.](\d))?-(opus|sonnet|haiku)/.exec(name);
  if (older?.[3] !== undefined) return { family: older[3], version: versionOf(older[1], older[2]) };
  return undefined;
}

function versionOf(major: string | undefined, minor: string | undefined): number {
  return Number(`${major ?? 0}.${minor ?? 0}`);
}

const O_SERIES: readonly OpenAiEffort[] = ["low", "medium", "high"];
const UP_TO_XHIGH: readonly OpenAiEffort[] = ["none", "low", "medium", "high", "xhigh"];

/** The first pattern that matches says which efforts a reasoning model of OpenAI takes. */
const OPENAI_EFFORTS: readonly (readonly [RegExp, readonly OpenAiEffort[]])[] = [
  [/^gpt-[\d.]+-chat/, []],
  [/^o1-(mini|preview)/, []],
  [/^o\d/, O_SERIES],
  [/^codex-mini/, O_SERIES],
  [/^gpt-oss/, O_SERIES],
  [/^gpt-5-pro/, ["high"]],
  [/^gpt-5\.\d+-pro/, ["medium", "high", "xhigh"]],
  [/^gpt-5-codex|^gpt-5\.1-codex(?!-max)/, O_SERIES],
  [/^gpt-5\.\d+-codex/, ["low", "medium", "high", "xhigh"]],
  [/^gpt-5(?![.\d])/, ["minimal", "low", "medium", "high"]],
  [/^gpt-5\.1/, ["none", "low", "medium", "high"]],
  [/^gpt-5\.[2-5](?!\d)/, UP_TO_XHIGH],
  [/^gpt-5\.\d/, [...UP_TO_XHIGH, "max"]],
  [/^gpt-(?:[6-9]|\d\d)/, ["low", "medium", "high", "xhigh", "max"]],
  [/^grok-3-mini/, ["low", "high"]],
];

/** Azure calls its gpt-3.5 `gpt-35`. */
const GPT_5_OR_LATER = /^gpt-(?:[5-9]|[12]\d)(?!\d)/;

/** What a model behind one of OpenAI's two APIs takes; `model` is the provider's own name for it. */
export function openAiCapabilities(model: string): OpenAiCapabilities {
  const name = lastSegment(model);
  const ofOpenAi = /^(gpt-(?!oss)|o\d|chatgpt-|codex-|computer-use)/.test(name);
  const reasoningOfOpenAi = GPT_5_OR_LATER.test(name) || /^(o\d|codex-mini|computer-use)/.test(name);
  const reasons = (reasoningOfOpenAi && !/^gpt-5-chat/.test(name)) || /^gpt-oss/.test(name);
  const reasoningGrok = /^grok-(?:3-mini|[4-9])/.test(name) && !name.includes("non-reasoning");
  const noSampling = ofOpenAi && reasons;
  return {
    ofOpenAi,
    reasons,
    efforts: reasons || reasoningGrok ? effortsOf(name) : [],
    sampling: !noSampling,
    stop: !(noSampling || reasoningGrok),
    verbosity: GPT_5_OR_LATER.test(name) && !/-(?:chat|codex)/.test(name),
    parallelToolCalls: !/^o\d/.test(name),
    effortWithToolsInChat: !/^gpt-(?:5\.(?:[4-9]|\d\d)|[6-9]|[12]\d)/.test(name),
    images:
      !/^(gpt-3\.?5|gpt-4$|gpt-4-(?:0|32k|1106)|o1-(?:mini|preview)|o3-mini|gpt-oss|deepseek-(?!vl))/.test(
        name,
      ),
    wantsReasoningBack: /deepseek|kimi|minimax|glm-|mimo/.test(name),
  };
}

function effortsOf(name: string): readonly OpenAiEffort[] {
  return OPENAI_EFFORTS.find(([pattern]) => pattern.test(name))?.[1] ?? [];
}

/** `anthropic/claude-opus-4.5` of a gateway is `claude-opus-4.5`; Ollama's tag after the colon is left. */
function lastSegment(model: string): string {
  return model.slice(model.lastIndexOf("/") + 1).toLowerCase();
}

/**
 * The effort to send for the one wished, out of those offered: `minimal` is the least and `max` the most that
 * the model has. Undefined when it has nothing of the kind.
 */
export function effortFor<Effort extends OpenAiEffort>(
  wished: WishedEffort,
  offered: readonly Effort[],
): Effort | undefined {
  const wanted: readonly OpenAiEffort[] =
    wished === "minimal" ? ["minimal", "low"] : wished === "max" ? ["max", "xhigh", "high"] : [wished];
  for (const effort of wanted) {
    const found = offered.find((candidate) => candidate === effort);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The effort of a call of OpenAI's APIs: a model that can be told not to reason is told so where it shall not. */
export function openAiEffort(
  { effort, thinking }: ModelSettings,
  offered: readonly OpenAiEffort[],
): OpenAiEffort | undefined {
  if (effort !== undefined) return effortFor(effort, offered);
  return thinking === "off" ? offered.find((one) => one === "none") : undefined;
}
