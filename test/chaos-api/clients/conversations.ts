/**
 * Conversations that go on, each link by a request and a run of its own: a client that runs functions of its own and brings
 * their results, over completions and over responses, and one that asks on with `previous_response_id`. What was answered is
 * sent back as a program does that keeps it; each link has its own key, so what breaks off is asked for again link by link.
 */
import type OpenAI from "openai";
import { CALLER_TOOL, type Job } from "../../chaos/jobs.ts";
import { fractionOf } from "../../chaos/random.ts";
import { questionOf, resultOf, type Task } from "../plan.ts";
import type { Kind, Outcome } from "../stories.ts";
import {
  askCompletion,
  askCompletionStream,
  askWholeResponse,
  askWholeResponseStream,
  chatBody,
  type ResponseBody,
  responseBody,
} from "./openai-clients.ts";
import { untilAnswered, type Wish } from "./patient.ts";
import type { ClientWorld } from "./world.ts";

const FUNCTION = {
  name: CALLER_TOOL,
  description: "Asks the caller.",
  parameters: {
    type: "object",
    properties: { question: { type: "string" }, nonce: { type: "string" } },
    required: ["question", "nonce"],
  },
} as const;
type Calls = Extract<Outcome, { readonly kind: "calls" }>;
type Message = OpenAI.Chat.ChatCompletionMessageParam;
type Input = OpenAI.Responses.ResponseInputItem[] | string;

export async function talkOverChat({ kind, job, links }: Task, world: ClientWorld): Promise<void> {
  let messages: readonly Message[] = chatBody(job).messages;
  for (const [place, link] of links.entries()) {
    const body = {
      ...chatBody(job),
      ...{ metadata: { mark: link.mark }, messages: [...messages] },
      tools: [{ type: "function" as const, function: { ...FUNCTION } }],
    };
    const ask = isStreamed(link) ? askCompletionStream : askCompletion;
    const { outcome } = await untilAnswered(wishOf(kind, link), world, () => ask(body, link, world));
    const next = links[place + 1];
    if (next === undefined || outcome.kind !== "calls") return;
    messages = [...messages, ...answered(outcome, next)];
  }
}

function answered({ text, calls }: Calls, { mark }: Job): readonly Message[] {
  const made = calls.map(({ id, name, arguments: args }) => ({
    ...{ id, type: "function" as const },
    function: { name, arguments: args },
  }));
  return [
    { role: "assistant", content: text === "" ? null : text, tool_calls: made },
    ...calls.map(
      ({ id }, place): Message => ({ role: "tool", tool_call_id: id, content: resultOf(mark, place) }),
    ),
  ];
}

export async function talkOverResponses({ kind, job, links }: Task, world: ClientWorld): Promise<void> {
  const hasTools = kind === "responses_tools";
  let input: Input = responseBody(job).input;
  let previous: string | undefined;
  for (const [place, link] of links.entries()) {
    const body: ResponseBody = {
      // Who brings results goes on with the models that he began with, and who asks on with others.
      ...responseBody(hasTools ? job : link),
      ...{ metadata: { mark: link.mark }, input },
      ...(previous === undefined ? {} : { previous_response_id: previous }),
      ...(hasTools ? { tools: [{ type: "function" as const, strict: false, ...FUNCTION }] } : {}),
    };
    const ask = isStreamed(link) ? askWholeResponseStream : askWholeResponse;
    const { outcome, runId } = await untilAnswered(wishOf(kind, link), world, () => ask(body, link, world));
    const next = links[place + 1];
    if (next === undefined || outcome.kind !== (hasTools ? "calls" : "text")) return;
    previous = `resp_${runId}`;
    input = outcome.kind === "calls" ? outputs(outcome, next) : questionOf(next.mark);
  }
}

function outputs({ calls }: Calls, { mark }: Job): OpenAI.Responses.ResponseInputItem[] {
  return calls.map(({ id }, place) => ({
    ...{ type: "function_call_output", call_id: id, output: resultOf(mark, place) },
  }));
}

function wishOf(kind: Kind, job: Job): Wish {
  const isRetried = job.act?.kind === "cancel" ? job.act.retried : true;
  return { kind, job, isSteered: true, isRetried };
}

function isStreamed({ mark }: Job): boolean {
  return fractionOf(mark, "streamed") < 0.5;
}
