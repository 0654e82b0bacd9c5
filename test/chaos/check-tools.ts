/**
 * R5 for tools: a call whose result was written is not run again, and a call with an effect is not run again after its
 * marker was written. What a worker does that was away and has not heard yet that its claim is lost is forgiven as it
 * is for purchases; the tool itself can tell by the key.
 */
import type { Item } from "@baton/core";
import { breach, isAfterReturn, isLost, type RunStory, type Story } from "./check-story.ts";
import type { ToolRun, Violation } from "./history.ts";

export function checkTools(story: Story): readonly Violation[] {
  return story.runs
    .filter(({ isOnly }) => isOnly)
    .flatMap((run) =>
      [...Map.groupBy(run.toolRuns, ({ key }) => key)].flatMap(([key, toolRuns]) =>
        checkCall(callOf(key), toolRuns, run, story),
      ),
    );
}

interface Call {
  /** Place of the reply that made it: a model may give one id to calls of several turns. */
  readonly reply: number;
  readonly callId: string;
}

/** The key of a call is `<run id>/<place of the reply>/<call id>`. */
function callOf(key: string): Call {
  const match = /^[^/]+\/(\d+)\/(.+)$/.exec(key);
  if (match === null) throw new Error(`${key} is no key of a tool call`);
  return { reply: Number(match[1]), callId: match[2] ?? "" };
}

function checkCall(
  { reply, callId }: Call,
  toolRuns: readonly ToolRun[],
  run: RunStory,
  { history, losses }: Story,
): readonly Violation[] {
  // The n-th result of the id is that of its n-th call.
  const ordinal = placesOf(run.items, "tool_call", callId).indexOf(reply);
  const results = run.events.filter(({ event }) => event.type === "tool_end" && event.callId === callId);
  const writtenAt = results[ordinal]?.at ?? Number.POSITIVE_INFINITY;
  const found = toolRuns
    .filter((toolRun) => toolRun.at > writtenAt && !isAfterReturn(toolRun, writtenAt, history.faults))
    .map(({ tool }) => breach("R5", run, `${tool} (${callId}) was run again after its result was written`));
  if (!placesOf(run.items, "tool_started", callId).some((place) => place > reply)) return found;
  // The marker was written before the run that it is for: it is lost only when that was in the lost end.
  const counted = toolRuns.filter(({ at }) => !isLost(at, losses));
  if (counted.length > 1) {
    const [{ tool } = { tool: "a tool" }] = counted;
    found.push(breach("R5", run, `${tool} (${callId}) has effects and was run ${counted.length} times`));
  }
  return found;
}

function placesOf(
  items: readonly Item[],
  type: "tool_call" | "tool_started",
  callId: string,
): readonly number[] {
  return items.flatMap((item, place) =>
    item.parts.some((part) => part.type === type && part.callId === callId) ? [place] : [],
  );
}
