/**
 * Model ids are `provider/model`: the provider names an entry of the configuration, the rest is what that
 * provider calls the model, and may itself hold slashes and colons (`ollama/qwen3:8b`).
 */
import { z } from "zod";

export const modelIdSchema = z
  .string()
  .max(200, "a model id has at most 200 characters")
  .regex(
    // It stands in the API's document, and means the same to every reader there: no \p{…}, no flag.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is kept out.
    /^[a-z0-9][a-z0-9_-]*\/[^\s\x00-\x1f\x7f-\x9f]+$/,
    "a model id is provider/model, for example openai/gpt-5.2 or anthropic/claude-opus-4-5",
  )
  .brand<"ModelId">();

export type ModelId = z.infer<typeof modelIdSchema>;

/** Splits `provider/model` at its first slash. */
export function splitModelId(id: ModelId): { readonly provider: string; readonly model: string } {
  const slash = id.indexOf("/");
  return { provider: id.slice(0, slash), model: id.slice(slash + 1) };
}

/** Whether `id` matches a pattern of a worker's `-m`: an exact id, or a prefix followed by `*`. */
export function matchesModelPattern(pattern: string, id: ModelId): boolean {
  return pattern.endsWith("*") ? id.startsWith(pattern.slice(0, -1)) : id === pattern;
}

/**
 * The name of the tool by which a model hands off to `id`: at most 64 characters out of `[a-zA-Z0-9_-]`, the
 * set that every provider accepts. Distinct ids of one run can still collide here; `handoffTools` numbers those.
 */
export function transferToolName(id: ModelId): string {
  return `transfer_to_${id.replace(/[^a-zA-Z0-9]+/g, "_")}`.slice(0, 60).replace(/_+$/, "");
}
