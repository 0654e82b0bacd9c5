/** A reply as Anthropic's Messages API streams it, its thinking signed. */
import { piecesOf, type WireEvent, type WireReply, wordsOf } from "./wire-reply.ts";

export function messagesPieces(reply: WireReply): readonly string[] {
  const { id, model, thought, text, calls, inputTokens, outputTokens } = reply;
  const blocks: readonly Block[] = [
    ...(thought === undefined ? [] : [thinkingBlock(thought)]),
    ...(text === "" ? [] : [textBlock(text)]),
    ...calls.map((call) => ({
      start: { type: "tool_use", id: call.id, name: call.name, input: {} },
      deltas: wordsOf(JSON.stringify(call.input), 2).map((partial_json) => ({
        type: "input_json_delta",
        partial_json,
      })),
    })),
  ];
  const message = {
    id: `msg_${id}`,
    type: "message",
    role: "assistant",
    model,
    content: [],
    stop_reason: null,
  };
  return piecesOf([
    {
      type: "message_start",
      message: { ...message, usage: { input_tokens: inputTokens, output_tokens: 1 } },
    },
    { type: "ping" },
    ...blocks.flatMap(({ start, deltas }, index) => [
      { type: "content_block_start", index, content_block: start },
      ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
      { type: "content_block_stop", index },
    ]),
    {
      type: "message_delta",
      delta: { stop_reason: calls.length > 0 ? "tool_use" : "end_turn", stop_sequence: null },
      usage: { output_tokens: outputTokens },
    },
    { type: "message_stop" },
  ]);
}

interface Block {
  readonly start: WireEvent;
  readonly deltas: readonly WireEvent[];
}

function thinkingBlock(thought: string): Block {
  return {
    start: { type: "thinking", thinking: "", signature: "" },
    deltas: [
      ...wordsOf(thought, 3).map((thinking) => ({ type: "thinking_delta", thinking })),
      { type: "signature_delta", signature: Buffer.from(thought).toString("base64") },
    ],
  };
}

function textBlock(text: string): Block {
  return {
    start: { type: "text", text: "", citations: null },
    deltas: wordsOf(text, 6).map((piece) => ({ type: "text_delta", text: piece })),
  };
}
