/**
 * The parts of a reply as they are acted on. Where the output limit cut a reply right behind the name of a call, nothing of its
 * arguments had come, which looks like a call without any: it becomes one whose arguments cannot be read, so that no tool is
 * run by what a model had not said, and the model is asked again. A call that was cut later is no JSON, and one whose arguments
 * came has them whole.
 */
import type { ModelReply, Part } from "@baton/core";

export function readableCalls({ parts, stopReason }: Pick<ModelReply, "parts" | "stopReason">): Part[] {
  const last = parts.at(-1);
  if (stopReason !== "length" || last?.type !== "tool_call" || last.arguments.kind === "invalid")
    return [...parts];
  if (Object.keys(last.arguments.value).length > 0) return [...parts];
  return [...parts.slice(0, -1), { ...last, arguments: { kind: "invalid", raw: "" } }];
}
