/**
 * A strict reading of what OpenAI's Responses API accepts when nothing is stored. The natives of the test
 * conversations carry ids of the form `rs_R7_0`, `msg_R7_1`: `R7` is the reply that they came in, and an `R`
 * means that the reply had reasoning, on which its other ids depend.
 */
interface InputItem {
  readonly type?: string;
  readonly [key: string]: unknown;
}
interface Body {
  readonly [key: string]: unknown;
  readonly model: string;
  readonly input: readonly InputItem[];
  readonly tools?: readonly { readonly [key: string]: unknown }[];
}
type Rule = (holds: boolean, what: string) => void;

const TOP = new Set([
  ...["model", "instructions", "input", "tools", "tool_choice", "parallel_tool_calls", "max_output_tokens"],
  ...["temperature", "top_p", "reasoning", "include", "text", "store", "stream"],
]);
const NAME = /^[a-zA-Z0-9_-]{1,64}$/;

export function responsesViolations(value: unknown): readonly string[] {
  const body = value as Body;
  const found: string[] = [];
  const rule: Rule = (holds, what) => {
    if (!holds) found.push(what);
  };
  for (const key of Object.keys(body)) rule(TOP.has(key), `unknown parameter ${key}`);
  rule(body.store === false && body.stream === true, "store and stream");
  checkReasoningModel(body, rule);
  checkTools(body, rule);
  rule(body.input.length > 0, "input is empty");
  for (const [index, item] of body.input.entries()) checkItem(item, `input[${index}]`, rule);
  checkPairs(body.input, rule);
  checkReasoning(body.input, rule);
  const last = body.input.at(-1);
  rule(
    last?.role === "user" || last?.type === "function_call_output",
    "the input ends with the model's own words",
  );
  return found;
}

function checkReasoningModel(body: Body, rule: Rule): void {
  const reasons = /^(gpt-5|o\d)/.test(body.model);
  rule(!reasons || !("temperature" in body || "top_p" in body), "a reasoning model takes no temperature");
  rule(reasons || !("reasoning" in body || "include" in body), "this model has no reasoning");
  const words = (body.text as { readonly verbosity?: unknown } | undefined)?.verbosity;
  rule(words === undefined || body.model.startsWith("gpt-5"), "this model takes no verbosity");
  if (reasons) rule(JSON.stringify(body.include) === '["reasoning.encrypted_content"]', "include");
}

function checkTools({ tools, tool_choice, parallel_tool_calls }: Body, rule: Rule): void {
  for (const tool of tools ?? []) {
    rule(tool.type === "function" && NAME.test(String(tool.name)), `tools: ${tool.name}`);
    const parameters = tool.parameters as Record<string, unknown>;
    rule(parameters.type === "object" && "properties" in parameters, "object schema missing properties");
    rule(!("anyOf" in parameters || "oneOf" in parameters || "allOf" in parameters), "combinator at the top");
    rule(typeof tool.strict === "boolean", "strict is required");
  }
  const set = tool_choice !== undefined || parallel_tool_calls !== undefined;
  rule(!set || (tools ?? []).length > 0, "tool settings without tools");
}

function checkItem(item: InputItem, at: string, rule: Rule): void {
  switch (item.type) {
    case "message":
      checkContent(item, at, rule);
      return;
    case "function_call":
      rule(NAME.test(String(item.call_id)), `${at}: call_id ${item.call_id}`);
      rule(NAME.test(String(item.name)), `${at}: name ${item.name}`);
      rule(isObjectJson(item.arguments), `${at}: arguments`);
      return;
    case "function_call_output":
      rule(
        typeof item.output === "string" ? item.output !== "" : Array.isArray(item.output),
        `${at}: output`,
      );
      if (Array.isArray(item.output)) for (const part of item.output) checkPart(part, at, rule);
      return;
    case "reasoning":
      rule(typeof item.encrypted_content === "string" && item.encrypted_content !== "", `${at}: not sealed`);
      return;
    default:
      rule(false, `${at}: unknown item ${item.type}`);
  }
}

function checkContent({ role, content }: InputItem, at: string, rule: Rule): void {
  rule(role === "user" || role === "assistant", `${at}: role`);
  if (typeof content === "string") {
    rule(content !== "", `${at}: empty`);
    return;
  }
  const parts = content as readonly Record<string, unknown>[];
  rule(parts.length > 0, `${at}: empty`);
  for (const part of parts) {
    if (role === "assistant") rule(part.type === "output_text", `${at}: assistant content ${part.type}`);
    else checkPart(part, at, rule);
  }
}

function checkPart(part: Record<string, unknown>, at: string, rule: Rule): void {
  switch (part.type) {
    case "input_text":
      rule(typeof part.text === "string" && part.text !== "", `${at}: empty text`);
      return;
    case "input_image":
      rule(/^(https?:|data:image\/)/.test(String(part.image_url)), `${at}: image_url`);
      rule(["auto", "low", "high"].includes(String(part.detail)), `${at}: detail`);
      return;
    case "input_file":
      rule("file_url" in part !== "file_data" in part, `${at}: one source of a file`);
      rule(!("file_data" in part) || Boolean(part.filename), `${at}: filename`);
      return;
    default:
      rule(false, `${at}: unknown content ${part.type}`);
  }
}

function isObjectJson(text: unknown): boolean {
  try {
    const value: unknown = JSON.parse(String(text));
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function checkPairs(input: readonly InputItem[], rule: Rule): void {
  const open: unknown[] = [];
  const seen = new Set<unknown>();
  for (const item of input) {
    if (item.type === "function_call") {
      rule(!seen.has(item.call_id), `call_id ${item.call_id} twice`);
      seen.add(item.call_id);
      open.push(item.call_id);
    } else if (item.type === "function_call_output") {
      rule(open.shift() === item.call_id, `output for ${item.call_id} is out of order, or has no call`);
    } else if (item.role === "user") {
      rule(open.length === 0, `no tool output found for ${open.join()}`);
    }
  }
  rule(open.length === 0, `no tool output found for ${open.join()}`);
}

function checkReasoning(input: readonly InputItem[], rule: Rule): void {
  const ids = input.flatMap((item) => (item.id === undefined ? [] : [String(item.id)]));
  rule(new Set(ids).size === ids.length, "duplicate item ids");
  for (const [index, item] of input.entries()) {
    if (item.type === "reasoning") {
      const next = input[index + 1];
      const follows =
        next?.type === "reasoning" || next?.type === "function_call" || next?.role === "assistant";
      rule(follows && replyOf(next) === replyOf(item), "reasoning without its required following item");
    } else if (replyOf(item)?.startsWith("R")) {
      const own = input
        .slice(0, index)
        .some((other) => other.type === "reasoning" && replyOf(other) === replyOf(item));
      rule(own, `${item.type} ${item.id} without its required reasoning item`);
    }
  }
}

function replyOf(item: InputItem | undefined): string | undefined {
  return typeof item?.id === "string" ? item.id.split("_")[1] : undefined;
}
