/**
 * What each field of a response request becomes in a run spec: as in lines of batches, and what an answer at once can do
 * beside that. What would change the answer and cannot be done here is refused with its name, a field that nobody knows
 * too; what changes no answer is taken and left.
 */
import type { Config } from "@baton/core";
import { type Body, type Draft, type FieldTable, RESPONSES_FIELDS, responsesInput } from "@baton/producer";
import { runOfCall } from "../answers/call-ids.ts";
import { effortOf, modelChoices } from "../answers/model-choices.ts";
import { runOfItem } from "./response-ids.ts";
import { responseTools } from "./response-tools.ts";

/** `takesUp`: the input is taken for the end of a conversation that its run has, see `isKnown`. */
export function responseFields(
  config: Pick<Config, "providers" | "models">,
  { takesUp }: { readonly takesUp: boolean },
): FieldTable {
  return {
    ...RESPONSES_FIELDS,
    model: (value, name, draft) => draft.set("model", modelChoices(value, name, draft, config), name),
    input: (value, name, draft) => {
      const answered = takesUp ? runsAnswered(value) : new Set<string>();
      responsesInput(value, name, draft, (item) => isKnown(item, answered));
    },
    tools: responseTools,
    tool_choice: toolChoice,
    reasoning,
    // As the chat endpoint has them.
    mcp_servers: (value, name, draft) => draft.set("mcp_servers", value, name),
    max_turns: (value, name, draft) => draft.set("max_turns", value, name),
    // A run is kept as long as the operator's retention says, and runs on its pool's terms.
    store: left,
    service_tier: left,
    prompt_cache_options: left,
    // A label too, so that whoever looks the response up is told it, and finds all that went on from one.
    previous_response_id: (value, name, draft) => draft.label(name, value, name),
    // Read by the route.
    stream: left,
    background: left,
    conversation: unsupported("begin with an earlier response by previous_response_id"),
    max_tool_calls: unsupported("max_turns bounds the calls of models"),
    prompt: unsupported("send instructions and input"),
  };
}

/**
 * Items of earlier outputs that tell a model nothing, or nothing new: reasoning that is not sealed is for people alone, the tools that there are now are listed anew, and what servers' tools gave in the
 * responses whose calls are `answered` stands in the conversations of their runs, which are taken up, see call-ids.ts.
 */
function isKnown({ type, id, encrypted_content: sealed }: Body, answered: ReadonlySet<string>): boolean {
  if (type === "mcp_list_tools") return true;
  if (type === "reasoning") return sealed === undefined || sealed === null;
  const runId = type === "mcp_call" ? runOfItem("mcp", id) : undefined;
  return runId !== undefined && answered.has(runId);
}

/** The runs whose calls the items tell. */
function runsAnswered(input: unknown): ReadonlySet<string> {
  const items: readonly unknown[] = Array.isArray(input) ? input : [];
  return new Set(
    items.flatMap((item) =>
      isObject(item) && item.type === "function_call" ? (runOfCall(item.call_id) ?? []) : [],
    ),
  );
}

function toolChoice(value: unknown, name: string, draft: Draft): void {
  if (!isObject(value)) draft.set("tool_choice", value, name);
  else if (value.type === "function") draft.set("tool_choice", { name: value.name }, name);
  else draft.refuse(name, `a choice of type ${JSON.stringify(value.type)} is not supported`);
}

function reasoning(value: unknown, name: string, draft: Draft): void {
  if (!isObject(value)) {
    draft.refuse(name, "an object is expected");
    return;
  }
  for (const [key, one] of Object.entries(value)) {
    // What a model shows of its reasoning is told anyway.
    if (one === null || key === "summary" || key === "generate_summary") continue;
    if (key !== "effort") {
      draft.refuse(`${name}.${key}`, "it is not supported");
      continue;
    }
    for (const [setting, chosen] of Object.entries(effortOf(one))) {
      draft.setting(setting, chosen, `${name}.effort`);
    }
  }
}

function left(): void {}

function unsupported(why: string) {
  return (_value: unknown, name: string, draft: Draft): void =>
    draft.refuse(name, `it is not supported: ${why}`);
}

function isObject(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
