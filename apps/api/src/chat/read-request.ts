/** A chat completion request, read: the run that it asks for, and how the answer is to be sent. */
import {
  BatonError,
  type Config,
  describeIssues,
  modelsOf,
  type RunSpec,
  runSpecSchema,
  transferToolName,
} from "@baton/core";
import { type Body, type FieldTable, translateFields } from "@baton/producer";
import { OpenAiProblem } from "../answers/openai-problem.ts";
import { chatFields } from "./chat-fields.ts";

export interface ChatRequest {
  readonly spec: RunSpec;
  readonly stream: boolean;
  /** A last chunk tells the usage. */
  readonly includeUsage: boolean;
}

/** Throws an `OpenAiProblem` that names the first field that is wrong. */
export function readChatRequest(body: Body, config: Pick<Config, "providers" | "models">): ChatRequest {
  const stream = flag(body.stream, "stream");
  if ((body.messages ?? body.input ?? null) === null) throw wrong("messages", "what the model is to answer");
  const spec = readSpec(chatFields(config), body);
  return { spec, stream, includeUsage: includesUsage(body.stream_options) };
}

/** The run that a body asks for, by the table of its fields. */
export function readSpec(fields: FieldTable, body: Body): RunSpec {
  const { spec, fieldOf, misfits } = translateFields(fields, body);
  const [misfit] = misfits;
  if (misfit !== undefined) {
    const message = misfits.map(({ source, why }) => `${source}: ${why}`).join("; ");
    throw new OpenAiProblem({ status: 400, code: "unsupported", message, param: misfit.source });
  }
  const parsed = runSpecSchema.safeParse({
    ...spec,
    // The caller brings the results of its own functions with its next request.
    ...(spec.tools === undefined ? {} : { client_tools: "end" }),
  });
  if (parsed.success) {
    checkToolNames(parsed.data, fieldOf(["tools"]));
    return parsed.data;
  }
  const issues = parsed.error.issues.map((issue) => ({ ...issue, path: fieldOf(issue.path).split(".") }));
  throw new BatonError("invalid_spec", `invalid request: ${describeIssues({ issues })}`, {
    cause: parsed.error,
    fields: { field: fieldOf(parsed.error.issues[0]?.path ?? []) },
  });
}

/** A call tells a function by its name alone. */
function checkToolNames(spec: RunSpec, field: string): void {
  const models = modelsOf(spec);
  const taken = new Set(models.length > 1 ? models.map(({ model }) => transferToolName(model)) : []);
  for (const tool of spec.tools ?? []) {
    if (typeof tool === "string") continue;
    const { name } = tool.function;
    if (taken.has(name)) {
      throw wrong(
        field,
        `one name for each function: ${name} is given twice, or hands over to a model of the list`,
      );
    }
    taken.add(name);
  }
}

function wrong(field: string, expected: string): BatonError {
  return new BatonError("invalid_spec", `invalid request: ${field}: ${expected} is expected`, {
    fields: { field },
  });
}

function includesUsage(options: unknown): boolean {
  if (typeof options !== "object" || options === null || !("include_usage" in options)) return false;
  return flag(options.include_usage, "stream_options.include_usage");
}

export function flag(value: unknown, field: string): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value === "boolean") return value;
  throw wrong(field, "true or false");
}
