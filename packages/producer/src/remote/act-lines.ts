/**
 * Acts on many runs, whose answer comes as JSON lines: what there is to tell meanwhile, and at last what became of it. A line
 * of `error` is thrown as an error answer is; lines that end without a last one were cut.
 */
import { z } from "zod";
import { ANSWER_BYTES_MAX, boundedText, jsonLines } from "./answer-body.ts";
import { parsed, RefusedError, type ServerClient, type ServerRequest } from "./server-client.ts";
import { refusalOf, unreachable, unreadable } from "./server-errors.ts";

const lineSchema = z.looseObject({ type: z.string() });

const LINES = "application/x-ndjson";
const JSON_TYPE = "application/json";

/** What passes, and is told on a line, where a status would say so. */
const PASSES: ReadonlySet<string> = new Set(["shutting_down", "redis_unreachable"]);

/** The last answer. `onLine` hears of the lines before it. */
export async function answerOfAct(
  client: ServerClient,
  request: ServerRequest,
  onLine: (line: unknown) => void,
  signal: AbortSignal,
): Promise<unknown> {
  for await (const line of actLines(client, request, signal)) {
    if (line.isLast) return line.value;
    onLine(line.value);
  }
  throw cut(client);
}

export interface ActLine {
  readonly value: unknown;
  /** It is the answer. */
  readonly isLast: boolean;
}

export async function* actLines(
  client: ServerClient,
  request: ServerRequest,
  signal: AbortSignal,
): AsyncGenerator<ActLine, void, void> {
  const headers = { ...request.headers, accept: `${LINES}, ${JSON_TYPE}` };
  const mediaTypes = [LINES, JSON_TYPE];
  const { bytes, mediaType } = await client.stream({ ...request, headers, mediaTypes }, signal);
  if (mediaType === JSON_TYPE) {
    yield { value: wholeOf(await boundedText(bytes, ANSWER_BYTES_MAX)), isLast: true };
    return;
  }
  for await (const value of jsonLines(bytes)) {
    const { type } = parsed(lineSchema, value);
    if (type === "error") throw errorOfLine(value);
    yield { value, isLast: type === "done" };
    if (type === "done") return;
  }
  throw cut(client);
}

function wholeOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw unreadable("it is no JSON", error);
  }
}

function errorOfLine(value: unknown): RefusedError {
  const { error } = refusalOf(value, 500);
  return new RefusedError(refusalOf(value, PASSES.has(error.code) ? 503 : 500));
}

function cut(client: ServerClient) {
  return unreachable(client.name, new Error("the answer was cut"));
}
