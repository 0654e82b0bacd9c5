/**
 * Ids of the calls that a caller is given to run: `call_<run>_<digest>_<place>`. Callers send them back with the results,
 * and so tell which run they take up; the digest is of the messages that this run was given, so that only the same
 * conversation is taken up and not one that was edited before the calls. Whose run it is is checked when it is read.
 */
import { createHash } from "node:crypto";
import { type Message, type RunId, type RunSpec, runIdSchema } from "@baton/core";

const CALL_ID = /^call_(r_\d{1,3}_[0-9A-Z]{26})_([\w-]{12})_\d{1,4}$/;
const DIGEST_CHARS = 12;

/** The id of each call of the run's answer, by its place. */
export type CallIds = (place: number) => string;

export function callIdsOf(runId: RunId, spec: RunSpec): CallIds {
  const digest = digestOf(messagesOf(spec));
  return (place) => `call_${runId}_${digest}_${place}`;
}

/** The run that the messages of a spec take up, as far as they tell. */
export function runTakenUp(spec: RunSpec): RunId | undefined {
  const messages = messagesOf(spec);
  const place = messages.findLastIndex(({ role }) => role === "assistant");
  const last = messages[place];
  const call = last?.role === "assistant" ? last.tool_calls?.[0] : undefined;
  const [, id, digest] = CALL_ID.exec(call?.id ?? "") ?? [];
  const runId = runIdSchema.safeParse(id);
  return runId.success && digest === digestOf(messages.slice(0, place)) ? runId.data : undefined;
}

function messagesOf({ messages, input }: RunSpec): readonly Message[] {
  return messages ?? (input === undefined ? [] : [{ role: "user", content: input }]);
}

/** Messages of a spec were read by its schema, so the same ones are written alike. */
function digestOf(messages: readonly Message[]): string {
  return createHash("sha256").update(JSON.stringify(messages)).digest("base64url").slice(0, DIGEST_CHARS);
}
