/**
 * A line of a batch file, read: a run to submit, or what is wrong with it. A line is `{"custom_id", "body"}` with a run
 * spec as body, or a line of OpenAI's batch files, whose body is translated.
 */
import { BatonError, describeIssues, jsonExcess, type RunSpec, runSpecSchema } from "@baton/core";
import { firstItems } from "../first-items.ts";
import { translateBody } from "./openai-body.ts";

export interface BatchLine {
  readonly kind: "run";
  /** Its number in the file, from 1. */
  readonly line: number;
  readonly customId: string;
  readonly spec: RunSpec;
  /** How long it is in the file, where it is long: few such lines are submitted at a time. */
  readonly chars?: number;
}

/** From so many characters on a line is long. */
const LONG_CHARS = 4_096;

export interface BadLine {
  readonly kind: "bad";
  readonly line: number;
  readonly customId?: string;
  readonly reason: string;
  /** The file cannot be read beyond this line, so nobody knows what it would have said. */
  readonly isEnd?: boolean;
}

/** Fields of a spec that hold where a body does not say otherwise. */
export type SpecDefaults = Readonly<Partial<Record<keyof RunSpec, unknown>>>;

export const CUSTOM_ID_CHARS_MAX = 512;

const OWN_KEYS = new Set(["custom_id", "body"]);
const OPENAI_KEYS = new Set(["custom_id", "method", "url", "body"]);

export function parseBatchLine(text: string, line: number, defaults: SpecDefaults): BatchLine | BadLine {
  const excess = jsonExcess(text);
  if (excess !== undefined) return bad(line, `it is JSON ${excess}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return bad(line, `it is not JSON: ${whereItBreaks(error)}`);
  }
  if (!isObject(value)) return bad(line, 'it is not an object: a line is {"custom_id": …, "body": …}');
  const { custom_id: customId, body } = value;
  if (typeof customId !== "string" || customId === "" || customId.length > CUSTOM_ID_CHARS_MAX) {
    return bad(line, `custom_id: a text of 1 to ${CUSTOM_ID_CHARS_MAX} characters is missing`);
  }
  const isOpenAi = value.url !== undefined || value.method !== undefined;
  const known = isOpenAi ? OPENAI_KEYS : OWN_KEYS;
  const unknown = Object.keys(value).find((key) => !known.has(key));
  if (unknown !== undefined) {
    return bad(line, `${unknown}: a line has ${[...known].join(", ")} and nothing else`, customId);
  }
  if (!isObject(body)) return bad(line, "body: an object is missing", customId);
  if (!isOpenAi) {
    const read = lineOf(line, customId, withDefaults(body, defaults), (path) => ["body", ...path]);
    return weighed(read, text.length);
  }
  const translated = translateBody(value.method, value.url, body);
  if (translated.kind === "untranslatable") return bad(line, translated.reason, customId);
  return weighed(
    lineOf(line, customId, withDefaults(translated.spec, defaults), translated.pathOf),
    text.length,
  );
}

function weighed(read: BatchLine | BadLine, chars: number): BatchLine | BadLine {
  return read.kind === "bad" || chars < LONG_CHARS ? read : { ...read, chars };
}

/** What the parser says, without what it quotes: a line may hold what its owner keeps to himself, and reasons are shown (R9). */
function whereItBreaks(error: unknown): string {
  const said = error instanceof Error ? error.message : "";
  return (
    /^Unexpected token '.{1,2}'|^Unexpected end|^[^"]* at position \d+/.exec(said)?.[0] ?? "it cannot be read"
  );
}

/** The line of a spec that is not checked yet; `pathOf` names a field of it as the file does. */
export function lineOf(
  line: number,
  customId: string,
  spec: Readonly<Record<string, unknown>>,
  pathOf: (path: readonly PropertyKey[]) => PropertyKey[],
): BatchLine | BadLine {
  const parsed = runSpecSchema.safeParse(spec);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => ({ ...issue, path: pathOf(issue.path) }));
    return bad(line, describeIssues({ issues }), customId);
  }
  try {
    // What only shows in the items, such as an image that is neither a URL nor base64, is told now and not half-way.
    firstItems(parsed.data, 0);
  } catch (error) {
    if (!(error instanceof BatonError)) throw error;
    return bad(line, error.message, customId);
  }
  return { kind: "run", line, customId, spec: parsed.data };
}

/**
 * A default that the body answers in another form is none: phases go instead of a model, messages instead of an input.
 * Settings are merged one by one.
 */
export function withDefaults(
  body: Readonly<Record<string, unknown>>,
  defaults: SpecDefaults,
): Readonly<Record<string, unknown>> {
  const merged: Record<string, unknown> = { ...defaults, ...body };
  if (body.phases !== undefined && body.model === undefined) delete merged.model;
  if (body.model !== undefined && body.phases === undefined) delete merged.phases;
  if (body.messages !== undefined && body.input === undefined) delete merged.input;
  if (body.input !== undefined && body.messages === undefined) delete merged.messages;
  if (isObject(defaults.settings) && isObject(body.settings)) {
    merged.settings = { ...defaults.settings, ...body.settings };
  }
  return merged;
}

export function bad(line: number, reason: string, customId?: string): BadLine {
  return { kind: "bad", line, reason, ...(customId === undefined ? {} : { customId }) };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
