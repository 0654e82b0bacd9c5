/**
 * A strict reading of what Anthropic's Messages API accepts (version 2026-10-21): every rule that it answers
 * with a 400 for, as far as the renderer could break it. Gives the rules that a request breaks.
 */
interface Block {
  readonly type: string;
  readonly [key: string]: unknown;
}
interface Message {
  readonly role: string;
  readonly content: readonly Block[];
}
interface Body {
  readonly [key: string]: unknown;
  readonly model: string;
  readonly max_tokens: number;
  readonly messages: readonly Message[];
  readonly system?: readonly Block[];
  readonly tools?: readonly { readonly [key: string]: unknown }[];
  readonly tool_choice?: { readonly type: string; readonly name?: string };
  readonly thinking?: { readonly type: string; readonly budget_tokens?: number };
}

const TOP = new Set([
  ...["model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking", "output_config"],
  ...["stop_sequences", "stream", "metadata", "service_tier"],
]);
const USER_BLOCKS = new Set(["text", "image", "document", "tool_result"]);
const ASSISTANT_BLOCKS = new Set([
  ...["text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "web_search_tool_result"],
]);
const ID = /^[a-zA-Z0-9_-]+$/;
const NAME = /^[a-zA-Z0-9_-]{1,128}$/;

export function anthropicViolations(value: unknown): readonly string[] {
  // The tests hand in what the renderer made, or what came over the wire.
  const body = value as Body;
  const found: string[] = [];
  const rule = (holds: boolean, what: string) => {
    if (!holds) found.push(what);
  };
  for (const key of Object.keys(body)) rule(TOP.has(key), `${key}: extra inputs are not permitted`);
  rule(Number.isInteger(body.max_tokens) && body.max_tokens > 0, "max_tokens is missing");
  checkThinkingConfig(body, rule);
  checkTools(body, rule);
  checkOrder(body.messages, rule);
  for (const [index, message] of body.messages.entries()) checkMessage(message, index, rule);
  checkCalls(body.messages, rule);
  checkThinking(body, rule);
  for (const block of body.system ?? []) rule(!isBlankText(block), "system: blank text");
  rule((JSON.stringify(body).match(/"cache_control"/g) ?? []).length <= 4, "more than 4 cache marks");
  return found;
}

type Rule = (holds: boolean, what: string) => void;

function isBlankText(block: Block): boolean {
  return block.type === "text" && (typeof block.text !== "string" || block.text.trim() === "");
}

function checkThinkingConfig({ model, thinking, max_tokens, tool_choice }: Body, rule: Rule): void {
  if (thinking === undefined) return;
  const only45 = /claude-(opus|sonnet|haiku)-4-5/.test(model);
  const adaptiveOnly = /claude-(opus-4-[78]|(opus|sonnet|haiku|fable)-5)/.test(model);
  rule(!(only45 && thinking.type === "adaptive"), "adaptive thinking is not supported on this model");
  rule(!(adaptiveOnly && thinking.type === "enabled"), "thinking.type.enabled is not supported");
  if (thinking.type === "enabled") {
    const budget = thinking.budget_tokens ?? 0;
    rule(budget >= 1_024 && budget < max_tokens, "budget_tokens must be at least 1024 and below max_tokens");
  }
  const forced = tool_choice?.type === "any" || tool_choice?.type === "tool";
  rule(
    thinking.type === "disabled" || !forced,
    "thinking may not be enabled when tool_choice forces tool use",
  );
}

function checkTools({ tools, tool_choice, messages }: Body, rule: Rule): void {
  const names = (tools ?? []).map((tool) => String(tool.name));
  rule(new Set(names).size === names.length, "tools: names must be unique");
  for (const tool of tools ?? []) {
    rule(NAME.test(String(tool.name)), `tools: name ${tool.name}`);
    const schema = tool.input_schema as Record<string, unknown>;
    rule(schema.type === "object", "tools: input_schema.type");
    rule(!("anyOf" in schema || "oneOf" in schema || "allOf" in schema), "tools: combinator at the top");
  }
  rule(tool_choice === undefined || names.length > 0, "tool_choice without tools");
  rule(tool_choice?.type !== "tool" || names.includes(String(tool_choice.name)), "tool_choice names no tool");
  const calls = messages.some((message) => message.content.some((block) => block.type === "tool_use"));
  rule(!calls || names.length > 0, "requests with tool_use blocks must define tools");
}

function checkOrder(messages: readonly Message[], rule: Rule): void {
  rule(messages.length > 0, "messages: at least one message is required");
  rule(messages[0]?.role === "user", "the first message must use the user role");
  for (const [index, message] of messages.entries()) {
    rule(messages[index - 1]?.role !== message.role, `messages.${index}: roles must alternate`);
  }
  const last = messages.at(-1);
  rule(last?.role === "user" || last?.content.at(-1)?.type === "server_tool_use", "prefill is not supported");
}

function checkMessage(message: Message, index: number, rule: Rule): void {
  const at = `messages.${index}`;
  rule(message.content.length > 0, `${at}: content must be non-empty`);
  const allowed = message.role === "user" ? USER_BLOCKS : ASSISTANT_BLOCKS;
  for (const block of message.content) {
    rule(allowed.has(block.type), `${at}: a ${message.role} message takes no ${block.type}`);
    rule(!isBlankText(block), `${at}: text content blocks must contain non-whitespace text`);
    if (block.type === "document") rule(block.title !== "", `${at}: empty title`);
  }
  if (message.role !== "assistant") return;
  const last = message.content.at(-1)?.type ?? "";
  rule(!last.includes("thinking"), `${at}: the final block in an assistant message cannot be thinking`);
}

function checkCalls(messages: readonly Message[], rule: Rule): void {
  const seen = new Set<unknown>();
  for (const [index, message] of messages.entries()) {
    const at = `messages.${index}`;
    const calls = message.content.filter((block) => block.type === "tool_use");
    for (const call of calls) {
      rule(ID.test(String(call.id)), `${at}: tool_use.id ${call.id}`);
      rule(!seen.has(call.id), `${at}: tool_use ids must be unique`);
      rule(
        typeof call.input === "object" && call.input !== null && !Array.isArray(call.input),
        `${at}: input`,
      );
      rule(NAME.test(String(call.name)), `${at}: tool_use.name`);
      seen.add(call.id);
    }
    const results = message.content.filter((block) => block.type === "tool_result");
    const before = messages[index - 1]?.content.filter((block) => block.type === "tool_use") ?? [];
    rule(
      results.map((block) => block.tool_use_id).join() === before.map((block) => block.id).join(),
      `${at}: the results do not answer the calls before them one by one`,
    );
    const leading = message.content.slice(0, results.length);
    rule(
      leading.every((block) => block.type === "tool_result"),
      `${at}: tool_result blocks must come first`,
    );
    for (const block of results) checkResult(block, at, rule);
  }
}

function checkResult(block: Block, at: string, rule: Rule): void {
  if (typeof block.content === "string") {
    rule(block.content.trim() !== "", `${at}: blank tool_result`);
    return;
  }
  const content = block.content as readonly Block[];
  rule(content.length > 0, `${at}: empty tool_result`);
  for (const part of content) {
    rule(["text", "image", "document"].includes(part.type), `${at}: tool_result takes no ${part.type}`);
    rule(!isBlankText(part), `${at}: blank text in a tool_result`);
  }
}

function checkThinking({ messages, thinking }: Body, rule: Rule): void {
  for (const message of messages) {
    for (const block of message.content) {
      if (block.type === "thinking") rule(Boolean(block.signature), "thinking without a signature");
      if (block.type === "redacted_thinking") rule(Boolean(block.data), "redacted_thinking without data");
      if (block.type.includes("thinking")) {
        rule(thinking?.type !== "disabled", "thinking blocks while thinking is disabled");
        rule(!("cache_control" in block), "a cache mark on thinking");
      }
    }
  }
  if (thinking?.type !== "enabled") return;
  // An open tool loop: user messages with results, back to the one that began the turn.
  let first: Message | undefined;
  for (let index = messages.length - 1; index > 0; index -= 2) {
    if (!messages[index]?.content.some((block) => block.type === "tool_result")) break;
    first = messages[index - 1];
  }
  const opens = first?.content[0]?.type;
  rule(
    first === undefined || Boolean(opens?.includes("thinking")),
    "the open tool loop opens without thinking",
  );
}
