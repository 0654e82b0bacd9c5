/**
 * `item_reference`s of an input: items of earlier responses by their ids alone, as clients send them back that take a
 * response for stored (Vercel's AI SDK does so by itself). Each is replaced by the item that it names, before the request
 * is read, so that what is true of items that come back whole is true of these.
 *
 * A stream can begin more than one message, when an attempt is lost, while its run has one answer: the last message of a
 * run that is named is that answer, and those before it are void. Reasoning is for people alone.
 *
 * A call that ran here and comes back without what it gave (OpenAI's Agents SDK drops that) refers to it as well: taken as it
 * comes, the model would be told that the call gave nothing.
 */
import { BatonError, type Item, isReply, type Run, type RunId, type RunSpec } from "@baton/core";
import type { Body, RunService } from "@baton/producer";
import { callIdsOf } from "../answers/call-ids.ts";
import { OpenAiProblem } from "../answers/openai-problem.ts";
import { answerMessage, callItems, mcpCallItems, type OutputItem } from "./output-items.ts";
import { endingOf } from "./response.ts";
import { itemIdOf, itemOfId, type NamedItem } from "./response-ids.ts";

type Runs = Pick<RunService, "get" | "conversation">;

interface Reference extends NamedItem {
  /** Of the list of the input. */
  readonly place: number;
  readonly id: string;
  /** What stands there when the id names nothing; absent: the request is refused. */
  readonly otherwise?: unknown;
}

/** Each costs a look at its run. */
const RUNS_MAX = 200;
const LOOKS_AT_ONCE = 8;
/** Shown of what is no id. */
const ID_CHARS_MAX = 100;
/** Items in which the last reply mostly stands. */
const TAIL_ITEMS = 20;

/** Left out by whoever reads the input, at whose places its errors point. */
const NOTHING: Body = { type: "reasoning", summary: [] };

/**
 * The body with its references replaced. What they stand for may come to `bytesMax`: a few references could name more than
 * any body may have. Throws an `OpenAiProblem` when one names nothing.
 */
export async function withReferredItems(runs: Runs, body: Body, bytesMax: number): Promise<Body> {
  const input: readonly unknown[] = Array.isArray(body.input) ? body.input : [];
  const references = input.flatMap(referenceAt);
  if (references.length === 0) return body;
  const byRun = Map.groupBy(references, ({ runId }) => runId);
  if (byRun.size > RUNS_MAX) {
    const message = `input: it refers to items of ${byRun.size} responses, and ${RUNS_MAX} is the most: send the items themselves`;
    throw new OpenAiProblem({ status: 400, code: "unsupported", message, param: "input" });
  }
  const items = [...input];
  const all = [...byRun];
  let bytes = 0;
  for (let from = 0; from < all.length; from += LOOKS_AT_ONCE) {
    const looks = all
      .slice(from, from + LOOKS_AT_ONCE)
      .map(async ([runId, ofRun]) => [ofRun, await outputOf(runs, runId, ofRun)] as const);
    for (const [ofRun, output] of await Promise.all(looks)) {
      const lastMessage = ofRun.findLast(({ kind }) => kind === "msg");
      for (const reference of ofRun) {
        const item = replacementOf(reference, output, reference === lastMessage);
        bytes += bytesOf(item);
        if (bytes > bytesMax) throw tooLarge(bytesMax);
        items[reference.place] = item;
      }
    }
  }
  return { ...body, input: items };
}

function referenceAt(item: unknown, place: number): readonly Reference[] {
  if (!isObject(item)) return [];
  const id = String(item.id);
  const called = itemOfId(item.id);
  if (isReference(item)) {
    if (called === undefined) throw missing(id.slice(0, ID_CHARS_MAX), place);
    return [{ ...called, place, id }];
  }
  return called?.kind === "mcp" && isEmptyCall(item) ? [{ ...called, place, id, otherwise: item }] : [];
}

/** OpenAI takes one without a type, too, when it has an id and nothing else. */
function isReference(item: Body): boolean {
  const { type = null, id, ...rest } = item;
  return type === "item_reference" || (type === null && id !== undefined && Object.keys(rest).length === 0);
}

function isEmptyCall({ type, output = null, error = null }: Body): boolean {
  return type === "mcp_call" && output === null && error === null;
}

function bytesOf(item: unknown): number {
  return Buffer.byteLength(JSON.stringify(item));
}

function replacementOf(reference: Reference, output: Output | undefined, isLast: boolean): unknown {
  const { kind, id, place, otherwise } = reference;
  if (kind === "rs" || (kind === "msg" && !isLast)) return NOTHING;
  // A run whose answer is calls alone has no message, and took back whatever it had begun to say.
  if (kind === "msg" && output !== undefined) return output.find(({ type }) => type === "message") ?? NOTHING;
  const found = output?.find((item) => item.id === id) ?? otherwise;
  if (found === undefined) throw missing(id, place);
  return found;
}

type Output = readonly OutputItem[];

/** Items of the output, those that are named among them; undefined when there is no answer. */
async function outputOf(
  runs: Runs,
  runId: RunId,
  references: readonly Reference[],
): Promise<Output | undefined> {
  if (references.every(({ kind }) => kind === "rs")) return undefined;
  const found = await find(runs, runId);
  if (found === undefined) return undefined;
  const { run, spec } = found;
  const hasCalls = references.some(({ kind }) => kind === "fc" || kind === "mcp");
  const items = hasCalls ? await runs.conversation(runId) : await lastItems(runs, run);
  const ending = endingOf(run, spec, items, false);
  if (ending instanceof OpenAiProblem) return undefined;
  const message = answerMessage(ending, itemIdOf("msg", runId, 0));
  if (!hasCalls) return message;
  const calls = callItems(run, ending, callIdsOf(runId, spec, items));
  return [...mcpCallItems(run, spec, items), ...message, ...calls];
}

async function find(runs: Runs, id: RunId): Promise<{ run: Run; spec: RunSpec } | undefined> {
  try {
    return await runs.get(id);
  } catch (error) {
    if (error instanceof BatonError && error.code === "not_found") return undefined;
    throw error;
  }
}

/** The end of what the run itself said, with its last reply. */
async function lastItems(runs: Runs, run: Run): Promise<readonly Item[]> {
  const own = run.forkedFrom?.items ?? 0;
  const tail = Math.max(own, run.items - TAIL_ITEMS);
  const items = await runs.conversation(run.id, tail);
  return tail === own || items.some(isReply) ? items : runs.conversation(run.id, own);
}

function missing(id: string, place: number): OpenAiProblem {
  const message = `input.${place}: there is no item ${id} to refer to: it is of no response here that has its answer, or the retention of that one has passed. Send the item itself`;
  return new OpenAiProblem({ status: 404, code: "item_not_found", message, param: `input.${place}` });
}

function tooLarge(bytesMax: number): OpenAiProblem {
  const message = `input: what it refers to comes to more than ${bytesMax} bytes, the most that a body may have`;
  return new OpenAiProblem({ status: 413, code: "too_large", message, param: "input" });
}

function isObject(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
