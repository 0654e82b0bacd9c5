/**
 * Ids of the calls that a caller is given to run: `call_<run>_<digest>_<place>`. Callers send them back with the results,
 * and so tell which run they take up; the digest is of the conversation up to the calls, so that only the same one is
 * taken up and not one that was edited before them. Whose run it is is checked when it is read.
 *
 * The digest is made of what the caller itself has said and of the runs that answered with calls in between, and it can
 * be told in two ways that must agree: from the messages that come back, and from the log of the run that made the calls.
 *
 *   - A run that took another up has that one's conversation in its log, with all that the caller never saw. A record
 *     tells where it ends; what stands behind it and before the record is what the caller brought.
 *   - A message with calls of ours stands for its run: what was said in it is in that run's log.
 */
import { createHash } from "node:crypto";
import {
  BatonError,
  type Item,
  isReply,
  type NewItem,
  type Part,
  type RunId,
  type RunSpec,
  runIdSchema,
  type ToolCallPart,
} from "@baton/core";
import { messageItems } from "@baton/producer";
import { argumentsText } from "./run-ending.ts";

const CALL_ID = /^call_(r_\d{1,3}_[0-9A-Z]{26})_([\w-]{12})_\d{1,4}$/;
const DIGEST_CHARS = 12;

/** The id of each call of the run's answer, by its place. */
export type CallIds = (place: number) => string;

/** Told from what is stored of the run, so that they are the same whenever it is asked for. */
export function callIdsOf(runId: RunId, spec: RunSpec, items: readonly Item[]): CallIds {
  // Most answers have no calls, and conversations can be long.
  let digest: string | undefined;
  return (place) => {
    digest ??= digestOf(spec, saidInLog(items));
    return `call_${runId}_${digest}_${place}`;
  };
}

/** The run that made a call of this id; undefined for an id that is not of ours. */
export function runOfCall(callId: unknown): RunId | undefined {
  const runId = runIdSchema.safeParse(CALL_ID.exec(String(callId))?.[1]);
  return runId.success ? runId.data : undefined;
}

/** The run that the messages of a spec take up, as far as they tell. */
export function runTakenUp(spec: RunSpec): RunId | undefined {
  const messages = spec.messages ?? [];
  const place = messages.findLastIndex(({ role }) => role === "assistant");
  const last = messages[place];
  const call = last?.role === "assistant" ? last.tool_calls?.[0] : undefined;
  const [, id, digest] = CALL_ID.exec(call?.id ?? "") ?? [];
  const runId = runIdSchema.safeParse(id);
  if (!runId.success) return undefined;
  const before = messages.slice(0, place);
  try {
    return digest === digestOf({ messages: before }, saidIn(messageItems(before))) ? runId.data : undefined;
  } catch (error) {
    // Messages that make no conversation are refused, with the reason, where the run is submitted.
    if (error instanceof BatonError) return undefined;
    throw error;
  }
}

/** Something that was said, in a form that is written alike wherever it was read from. */
type Said = readonly unknown[];

/** What the caller said before the first reply, and behind each run that was taken up. */
function saidInLog(items: readonly Item[]): readonly Said[] {
  const first = items.findIndex(isReply);
  const head = first < 0 ? items : items.slice(0, first);
  // What came while the run was there already, from whoever steers it, is none of the caller's messages.
  const said = [...saidIn(head.filter(({ role, at }) => role !== "control" && at === items[0]?.at))];
  for (const [place, item] of items.entries()) {
    for (const part of item.parts) {
      if (part.type !== "record" || part.act !== "fork") continue;
      const { run, at } = part.detail;
      if (typeof at !== "number") continue;
      const shared = items.slice(0, at + 1);
      said.push(["run", run], ...saidIn(items.slice(at + 1, place), answeredIn(shared, items.slice(at + 1))));
    }
  }
  return said;
}

/** The calls of the last reply that its caller answered; what closes the others is an error. */
function answeredIn(shared: readonly Item[], added: readonly Item[]): readonly ToolCallPart[] {
  const answered = new Set(
    added.flatMap(({ parts }) =>
      parts.flatMap((part) => (part.type === "tool_result" && !part.isError ? [part.callId] : [])),
    ),
  );
  const calls = callsIn(shared.findLast(isReply));
  return calls.filter(({ callId }) => answered.has(callId));
}

/** `made`: calls that were made before. Results of other calls than those of the items and these are left out. */
function saidIn(items: readonly NewItem[], made: readonly ToolCallPart[] = []): readonly Said[] {
  const places = new Map(made.map(({ callId }, place) => [callId, place]));
  const said: Said[] = [];
  for (const item of items) {
    const calls = callsIn(item);
    for (const [place, { callId }] of calls.entries()) places.set(callId, place);
    const runId = CALL_ID.exec(calls[0]?.callId ?? "")?.[1];
    if (runId !== undefined) said.push(["run", runId]);
    else if (item.role === "tool") said.push(...resultsIn(item, places));
    else
      said.push([item.role, ...contentOf(item.parts), ...calls.map((one) => [one.name, argumentsText(one)])]);
  }
  return said;
}

function resultsIn({ parts }: NewItem, places: ReadonlyMap<string, number>): readonly Said[] {
  return parts.flatMap((part) => {
    const place = part.type === "tool_result" ? places.get(part.callId) : undefined;
    return part.type === "tool_result" && place !== undefined
      ? [["result", place, ...contentOf(part.content)]]
      : [];
  });
}

function callsIn(item: Pick<Item, "parts"> | undefined): readonly ToolCallPart[] {
  return item?.parts.filter((part) => part.type === "tool_call") ?? [];
}

function contentOf(parts: readonly Part[]): readonly unknown[] {
  return parts.flatMap((part): readonly unknown[] => {
    if (part.type === "text") return [part.text];
    if (part.type !== "file") return [];
    const { mediaType, source, name = null, detail = null } = part;
    return [[mediaType, source.kind === "url" ? source.url : source.data, name, detail]];
  });
}

/** Messages of the system are no items; instructions are of one request, and not of the conversation. */
function digestOf({ messages = [] }: Pick<RunSpec, "messages">, said: readonly Said[]): string {
  const system = messages.filter(({ role }) => role === "system" || role === "developer");
  const texts = system.map(({ content }) => content);
  const whole = JSON.stringify([texts, said]);
  return createHash("sha256").update(whole).digest("base64url").slice(0, DIGEST_CHARS);
}
