/** A person's word on the calls that a run asks for: which are asked, and what an answer writes. */
import { BatonError, callsIn, type Item, type NewItem, type Run, type ToolCallPart } from "@baton/core";
import { openCalls } from "./run-input.ts";

export interface ApprovalOptions {
  /** Ids of the calls that are meant; absent: all that the run asks for. */
  readonly calls?: readonly string[] | undefined;
}

export interface RejectOptions extends ApprovalOptions {
  /** Told to the model. */
  readonly reason?: string | undefined;
}

/** The calls that the run waits to hear about, given its end from the last reply on. */
export function askedCalls(tail: readonly Item[]): readonly ToolCallPart[] {
  const open = new Map(openCalls(tail).map((call) => [call.callId, call]));
  const asked = new Map<string, ToolCallPart>();
  for (const item of tail) {
    for (const part of item.parts) {
      if (part.type !== "record") continue;
      for (const id of callsIn(part)) {
        const call = open.get(id);
        if (part.act === "ask" && call !== undefined) asked.set(id, call);
        if (part.act === "approve") asked.delete(id);
      }
    }
  }
  return [...asked.values()];
}

export function approvalItems(run: Run, tail: readonly Item[], options: ApprovalOptions): readonly NewItem[] {
  const calls = chosen(run, tail, options).map((call) => call.callId);
  return [{ role: "control", parts: [{ type: "record", act: "approve", detail: { calls } }] }];
}

/** A rejected call is answered, so that the model can go on without it. */
export function rejectionItems(run: Run, tail: readonly Item[], options: RejectOptions): readonly NewItem[] {
  const calls = chosen(run, tail, options);
  const { reason } = options;
  const detail = { calls: calls.map((call) => call.callId), ...(reason === undefined ? {} : { reason }) };
  const text = `A person rejected this call; it was not made.${reason === undefined ? "" : ` Reason: ${reason}`}`;
  return [
    { role: "control", parts: [{ type: "record", act: "reject", detail }] },
    ...calls.map(
      ({ callId, name }): NewItem => ({
        role: "tool",
        parts: [{ type: "tool_result", callId, name, isError: true, content: [{ type: "text", text }] }],
      }),
    ),
  ];
}

function chosen(run: Run, tail: readonly Item[], { calls }: ApprovalOptions): readonly ToolCallPart[] {
  const asked = askedCalls(tail);
  const unknown = calls?.find((id) => !asked.some((call) => call.callId === id));
  if (asked.length === 0 || calls?.length === 0 || unknown !== undefined) {
    const what = unknown === undefined ? "no call" : `no call ${unknown}`;
    const there = asked.map((call) => `${call.callId} (${call.name})`).join(", ");
    throw new BatonError(
      "invalid_spec",
      `run ${run.id} asks for a word on ${what}${there === "" ? "" : `; it asks for ${there}`}`,
      { fields: { runId: run.id, ...(unknown === undefined ? {} : { callId: unknown }) } },
    );
  }
  return calls === undefined ? asked : asked.filter((call) => calls.includes(call.callId));
}
