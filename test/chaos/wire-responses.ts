/** A reply as OpenAI's Responses API streams it when nothing is stored: reasoning is sealed and goes back as it came. */
import { piecesOf, type WireReply, wordsOf } from "./wire-reply.ts";

interface OutputItem {
  readonly type: string;
  readonly id: string;
  readonly [key: string]: unknown;
}

export function responsesPieces(reply: WireReply): readonly string[] {
  const items = itemsOf(reply);
  const response = (status: string, output: readonly OutputItem[]) => ({
    id: `resp_${reply.id}`,
    object: "response",
    status,
    model: reply.model,
    output,
    usage: {
      input_tokens: reply.inputTokens,
      input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
      output_tokens: reply.outputTokens,
      output_tokens_details: { reasoning_tokens: reply.thought === undefined ? 0 : 5 },
      total_tokens: reply.inputTokens + reply.outputTokens,
    },
  });
  const events: { readonly type: string; readonly [key: string]: unknown }[] = [
    { type: "response.created", response: response("in_progress", []) },
    ...items.flatMap((item, output_index) => [
      { type: "response.output_item.added", output_index, item: openItem(item) },
      ...deltasOf(item, reply, output_index),
      { type: "response.output_item.done", output_index, item },
    ]),
    { type: "response.completed", response: response("completed", items) },
  ];
  return piecesOf(events.map((event, sequence_number) => ({ ...event, sequence_number })));
}

/** The mark of the reply stands in each id: an `R` says that they depend on its reasoning. */
function itemsOf({ id, thought, text, calls }: WireReply): readonly OutputItem[] {
  const reply = `${thought === undefined ? "P" : "R"}${id}`;
  const reasoning: OutputItem[] =
    thought === undefined
      ? []
      : [
          {
            type: "reasoning",
            id: `rs_${reply}_0`,
            summary: [],
            encrypted_content: Buffer.from(thought).toString("base64"),
          },
        ];
  const message: OutputItem[] =
    text === ""
      ? []
      : [
          {
            type: "message",
            id: `msg_${reply}_1`,
            role: "assistant",
            status: "completed",
            content: [{ type: "output_text", text, annotations: [] }],
          },
        ];
  return [
    ...reasoning,
    ...message,
    ...calls.map((call, place) => ({
      type: "function_call",
      id: `fc_${reply}_${place + 2}`,
      call_id: call.id,
      name: call.name,
      arguments: JSON.stringify(call.input),
      status: "completed",
    })),
  ];
}

function openItem(item: OutputItem): OutputItem {
  if (item.type === "message") return { ...item, status: "in_progress", content: [] };
  if (item.type === "function_call") return { ...item, status: "in_progress", arguments: "" };
  // The seal grows with the thinking: only the last one is whole.
  return { ...item, encrypted_content: "aGFsZg==" };
}

function deltasOf(item: OutputItem, { text }: WireReply, output_index: number) {
  const common = { item_id: item.id, output_index };
  if (item.type === "message") {
    return wordsOf(text, 6).map((delta) => ({
      type: "response.output_text.delta",
      ...common,
      content_index: 0,
      delta,
    }));
  }
  if (item.type !== "function_call") return [];
  return wordsOf(String(item.arguments), 2).map((delta) => ({
    type: "response.function_call_arguments.delta",
    ...common,
    delta,
  }));
}
