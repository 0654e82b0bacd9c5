/** Arguments of a tool call, as a model wrote them: an object, or the raw text when they are no JSON object. */
import type { ToolCallPart } from "@baton/core";

export function parseArguments(raw: string): ToolCallPart["arguments"] {
  // A tool without parameters is often called with no text at all.
  if (raw.trim() === "") return { kind: "object", value: {} };
  try {
    const value: unknown = JSON.parse(raw);
    if (isRecord(value)) return { kind: "object", value };
    // Some servers encode the arguments twice.
    if (typeof value === "string") {
      const inner: unknown = JSON.parse(value);
      if (isRecord(inner)) return { kind: "object", value: inner };
    }
  } catch {
    // What is no JSON is kept as it is; the model is told so in place of a result.
  }
  return { kind: "invalid", raw };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
