/** A strict reading of what Chat Completions servers accept, the pickiest of them taken for all. */
interface Message {
  readonly role: string;
  readonly content?: unknown;
  readonly tool_calls?: readonly {
    readonly id: string;
    readonly function: { readonly name: string; readonly arguments: string };
  }[];
  readonly tool_call_id?: string;
}
interface Body {
  readonly [key: string]: unknown;
  readonly model: string;
  readonly messages: readonly Message[];
  readonly tools?: readonly unknown[];
}
type Rule = (holds: boolean, what: string) => void;

const TOP = new Set([
  ...[
    "model",
    "messages",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_tokens",
    "max_completion_tokens",
  ],
  ...[
    "temperature",
    "top_p",
    "seed",
    "stop",
    "reasoning_effort",
    "verbosity",
    "response_format",
    "stream",
    "stream_options",
  ],
]);
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  system: ["role", "content"],
  user: ["role", "content"],
  assistant: ["role", "content", "tool_calls"],
  tool: ["role", "content", "tool_call_id"],
};
const NAME = /^[a-zA-Z0-9_-]{1,64}$/;

export function chatViolations(value: unknown): readonly string[] {
  const body = value as Body;
  const found: string[] = [];
  const rule: Rule = (holds, what) => {
    if (!holds) found.push(what);
  };
  for (const key of Object.keys(body)) rule(TOP.has(key), `unrecognized argument ${key}`);
  rule(!("verbosity" in body) || body.model.startsWith("gpt-5"), "this model takes no verbosity");
  const set = body.tool_choice !== undefined || body.parallel_tool_calls !== undefined;
  rule(!set || (body.tools ?? []).length > 0, "tool settings without tools");
  const seen = new Set<string>();
  for (const [index, message] of body.messages.entries()) {
    checkMessage(message, index, rule);
    checkOrder(body.messages, index, rule);
    for (const { id } of message.tool_calls ?? []) {
      rule(!seen.has(id), `tool call id ${id} twice`);
      seen.add(id);
    }
  }
  const last = body.messages.at(-1)?.role;
  rule(last === "user" || last === "tool", "the messages end with the model's own words");
  return found;
}

function checkMessage(message: Message, index: number, rule: Rule): void {
  const at = `messages.${index}`;
  const { role, content, tool_calls: calls } = message;
  rule(role !== "system" || index === 0, `${at}: system is not first`);
  for (const key of Object.keys(message)) rule(Boolean(FIELDS[role]?.includes(key)), `${at}: unknown ${key}`);
  if (role === "assistant") {
    const text = typeof content === "string" && content !== "";
    rule(text || (content === null && (calls ?? []).length > 0), `${at}: assistant content`);
    for (const call of calls ?? []) checkCall(call, at, rule);
    return;
  }
  if (typeof content === "string") {
    rule(content.trim() !== "", `${at}: blank`);
    return;
  }
  rule(role === "user", `${at}: a ${role} message is text`);
  const parts = content as readonly { readonly type: string; readonly text?: string }[];
  rule(
    parts.some((part) => part.type !== "text"),
    `${at}: text alone is sent as a string`,
  );
  for (const part of parts) {
    rule(["text", "image_url", "file"].includes(part.type), `${at}: unknown content ${part.type}`);
    rule(part.type !== "text" || Boolean(part.text?.trim()), `${at}: blank text`);
  }
}

function checkCall(call: NonNullable<Message["tool_calls"]>[number], at: string, rule: Rule): void {
  rule(NAME.test(call.id) && NAME.test(call.function.name), `${at}: call ${call.id} ${call.function.name}`);
  let value: unknown;
  try {
    value = JSON.parse(call.function.arguments);
  } catch {
    value = undefined;
  }
  rule(typeof value === "object" && value !== null && !Array.isArray(value), `${at}: arguments`);
}

function checkOrder(messages: readonly Message[], index: number, rule: Rule): void {
  const message = messages[index];
  const before = messages[index - 1];
  const after = messages.slice(index + 1);
  rule(message?.role !== "user" || before?.role !== "user", `messages.${index}: two user messages in a row`);
  rule(message?.role !== "assistant" || before?.role !== "assistant", `messages.${index}: two assistants`);
  rule(message?.role !== "assistant" || index > 0, `messages.${index}: an assistant first`);
  if (message?.role === "tool") {
    rule(before?.role === "tool" || before?.role === "assistant", `messages.${index}: tool without its call`);
  }
  const ids = (message?.tool_calls ?? []).map((call) => call.id);
  const answers = after.slice(0, ids.length).map((answer) => answer.tool_call_id);
  rule(
    ids.join() === answers.join(),
    `messages.${index}: tool_calls must be followed by their tool messages`,
  );
  rule(ids.length === 0 || after[ids.length]?.role !== "tool", `messages.${index}: a tool message too many`);
}
