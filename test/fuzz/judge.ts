/** What an API must do whatever it is sent; each rule that an exchange breaks is told. */
import type { Answer } from "./answer-reader.ts";
import type { Exchange } from "./exchange.ts";
import type { FuzzCase } from "./fuzz-case.ts";

export const RULES = {
  answers: "no answer is a 5xx",
  hangs: "each request is answered, or its connection closed, in time",
  refusals: "each refusal has a code and says what is wrong",
  wire: "each answer is whole and parses",
  order: "the answer behind an odd request is that of the next one",
  secrets: "no key is told back",
} as const;
export type Rule = keyof typeof RULES;

export interface Breach {
  readonly rule: Rule;
  readonly what: string;
}

export function judge(one: FuzzCase, exchange: Exchange, secrets: readonly string[]): readonly Breach[] {
  const breaches: Breach[] = [];
  const { answers, outcome, begun, ms, why } = exchange;
  if (outcome === "garbled") breaches.push({ rule: "wire", what: why ?? "what came is no answer" });
  if (outcome === "hung") breaches.push({ rule: "hangs", what: `nothing came in ${Math.round(ms)} ms` });
  // Bytes that are no request may be left without an answer; a request may not.
  if (outcome === "closed" && one.shape === "request" && begun === undefined && answers.length === 0) {
    breaches.push({ rule: "hangs", what: "its connection was closed without an answer" });
  }
  if (begun !== undefined && begun >= 500)
    breaches.push({ rule: "answers", what: `it begins with ${begun}` });
  for (const answer of answers) breaches.push(...judgeAnswer(one, answer, secrets));
  return breaches;
}

function judgeAnswer(one: FuzzCase, answer: Answer, secrets: readonly string[]): readonly Breach[] {
  const { status, body, headers } = answer;
  const breaches: Breach[] = [];
  if (status >= 500) breaches.push({ rule: "answers", what: `${status} ${body.slice(0, 300)}` });
  const isHead = one.shape === "request" && one.method === "HEAD";
  if (status >= 400 && answer.isWhole && !isHead) {
    const wrong = wrongRefusal(body, headers.get("content-type") ?? "");
    if (wrong !== undefined)
      breaches.push({ rule: "refusals", what: `${status}: ${wrong}: ${body.slice(0, 300)}` });
  }
  if (
    secrets.some(
      (secret) => body.includes(secret) || [...headers.values()].some((value) => value.includes(secret)),
    )
  ) {
    breaches.push({ rule: "secrets", what: `a ${status} holds an API key` });
  }
  return breaches;
}

/** What is wrong with it, if anything: the API's form, OpenAI's, and JSON-RPC's all have a code and a message in `error`. */
function wrongRefusal(body: string, type: string): string | undefined {
  if (!type.startsWith("application/json")) return `its type is ${JSON.stringify(type)}`;
  const { code, message } = errorIn(body);
  if (!(typeof code === "number" || (typeof code === "string" && code !== ""))) return "it has no code";
  return typeof message === "string" && message.length > 5 ? undefined : "it has no message";
}

/** The code of a refusal; for MCP also the word that its message begins with. What answers a HEAD has no body. */
export function codeOf(body: string): string {
  if (body === "") return "(HEAD)";
  const { code, message } = errorIn(body);
  return typeof code === "number"
    ? `rpc ${code} ${/^(\w+): /.exec(String(message))?.[1] ?? ""}`.trim()
    : String(code);
}

function errorIn(body: string): { readonly code?: unknown; readonly message?: unknown } {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value !== "object" || value === null || !("error" in value)) return {};
    return typeof value.error === "object" && value.error !== null ? value.error : {};
  } catch {
    return {};
  }
}
