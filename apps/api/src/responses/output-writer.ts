/**
 * The events of a streamed response, in the order and numbering that OpenAI's clients check. Deltas can only be
 * appended, but each item's last events tell it whole, and the last event of all the whole output. So:
 *
 *   - the answer is one message, opened by its first text; reasoning that comes in between is items of its own;
 *   - text that is void ends its message as `incomplete`, and the new text is another message;
 *   - the last events of the answer's message tell the answer alone, also when words before it had been sent.
 *
 * What the text events are is decided in answer-stream.ts.
 */
import type { RunId } from "@baton/core";
import type { AnswerEvent } from "../answers/answer-stream.ts";
import {
  type CallItem,
  type MessageContent,
  type MessageItem,
  messageItem,
  type OutputItem,
  type ReasoningItem,
  reasoningItem,
  textContent,
} from "./output-items.ts";
import type { Response } from "./response.ts";
import { itemIdOf } from "./response-ids.ts";

export interface ResponseEvent {
  readonly type: string;
  readonly sequence_number: number;
  readonly [field: string]: unknown;
}

interface Open {
  readonly id: string;
  readonly index: number;
  text: string;
}

export class OutputWriter {
  readonly #runId: RunId;
  #sequence = 0;
  /** Items begun. */
  #index = 0;
  #messages = 0;
  #message: Open | undefined;
  #reasoning: Open | undefined;
  #thoughts: ReasoningItem[] = [];

  constructor(runId: RunId) {
    this.#runId = runId;
  }

  /** Of the message that the answer's text is in, or will be. */
  get messageId(): string {
    return this.#message?.id ?? itemIdOf("msg", this.#runId, this.#messages);
  }

  /** All reasoning that was sent. */
  get thoughts(): readonly ReasoningItem[] {
    return this.#thoughts;
  }

  /** An event on the response as a whole. */
  lifecycle(type: "created" | "in_progress" | "completed" | "incomplete" | "failed", response: Response) {
    return this.#event(`response.${type}`, { response });
  }

  write(event: AnswerEvent): readonly ResponseEvent[] {
    switch (event.kind) {
      case "text":
        return [...this.endReasoning(), ...this.#text(event.text)];
      case "reasoning":
        return this.#think(event.text);
      case "withdrawn":
        return this.breakOff();
      case "calls":
        // They are told with the end, which comes at once.
        return [];
    }
  }

  /** Ends what is open, as void. */
  breakOff(): readonly ResponseEvent[] {
    const open = this.#message;
    if (open === undefined) return this.endReasoning();
    const item = messageItem(open.id, textContent(open.text), "incomplete");
    return [...this.endReasoning(), ...this.#endMessage(open, item)];
  }

  /** Tells what of the output was not told. Text that is open ends as the output has it. */
  finish(output: readonly OutputItem[]): readonly ResponseEvent[] {
    return output.flatMap((item) => this.#finishItem(item));
  }

  #finishItem(item: OutputItem): readonly ResponseEvent[] {
    switch (item.type) {
      case "reasoning":
        if (this.#thoughts.includes(item)) return [];
        return [...this.#think(item.summary.map(({ text }) => text).join("")), ...this.endReasoning()];
      case "message": {
        if (this.#message !== undefined) return this.#endMessage(this.#message, item);
        const [content = textContent("")] = item.content;
        const { open, begun } = this.#begin(content);
        return [...begun, ...this.#deltaOf(open, content), ...this.#endMessage(open, item)];
      }
      case "function_call":
        return this.#call(item);
      case "mcp_call":
        return this.#whole(item);
    }
  }

  #text(text: string): readonly ResponseEvent[] {
    const content = textContent(text);
    const { open, begun } =
      this.#message === undefined ? this.#begin(content) : { open: this.#message, begun: [] };
    open.text += text;
    return [...begun, ...this.#deltaOf(open, content)];
  }

  #begin(content: MessageContent): { readonly open: Open; readonly begun: readonly ResponseEvent[] } {
    const open: Open = { id: this.messageId, index: this.#index++, text: "" };
    this.#message = open;
    this.#messages += 1;
    const part = content.type === "refusal" ? { ...content, refusal: "" } : { ...content, text: "" };
    const item = { ...messageItem(open.id, part, "in_progress"), content: [] };
    const begun = [
      this.#event("response.output_item.added", { output_index: open.index, item }),
      this.#event("response.content_part.added", { ...placeOf(open), part }),
    ];
    return { open, begun };
  }

  #deltaOf(open: Open, content: MessageContent): readonly ResponseEvent[] {
    if (content.type === "refusal") {
      return [this.#event("response.refusal.delta", { ...placeOf(open), delta: content.refusal })];
    }
    if (content.text === "") return [];
    return [
      this.#event("response.output_text.delta", { ...placeOf(open), delta: content.text, logprobs: [] }),
    ];
  }

  #endMessage(open: Open, item: MessageItem): readonly ResponseEvent[] {
    this.#message = undefined;
    const [part] = item.content;
    const done =
      part?.type === "refusal"
        ? this.#event("response.refusal.done", { ...placeOf(open), refusal: part.refusal })
        : this.#event("response.output_text.done", {
            ...placeOf(open),
            text: part?.text ?? "",
            logprobs: [],
          });
    return [
      done,
      this.#event("response.content_part.done", { ...placeOf(open), part }),
      this.#event("response.output_item.done", { output_index: open.index, item }),
    ];
  }

  #think(text: string): readonly ResponseEvent[] {
    const { open, begun } =
      this.#reasoning === undefined ? this.#beginReasoning() : { open: this.#reasoning, begun: [] };
    open.text += text;
    return [
      ...begun,
      this.#event("response.reasoning_summary_text.delta", { ...summaryOf(open), delta: text }),
    ];
  }

  #beginReasoning(): { readonly open: Open; readonly begun: readonly ResponseEvent[] } {
    const id = itemIdOf("rs", this.#runId, this.#thoughts.length);
    const open: Open = { id, index: this.#index++, text: "" };
    this.#reasoning = open;
    const item = { ...reasoningItem(id, ""), summary: [] };
    const part = { type: "summary_text", text: "" };
    const begun = [
      this.#event("response.output_item.added", { output_index: open.index, item }),
      this.#event("response.reasoning_summary_part.added", { ...summaryOf(open), part }),
    ];
    return { open, begun };
  }

  /** Ends reasoning that is open, so that `thoughts` has it. */
  endReasoning(): readonly ResponseEvent[] {
    const open = this.#reasoning;
    if (open === undefined) return [];
    this.#reasoning = undefined;
    const item = reasoningItem(open.id, open.text);
    this.#thoughts.push(item);
    const [part] = item.summary;
    return [
      this.#event("response.reasoning_summary_text.done", { ...summaryOf(open), text: open.text }),
      this.#event("response.reasoning_summary_part.done", { ...summaryOf(open), part }),
      this.#event("response.output_item.done", { output_index: open.index, item }),
    ];
  }

  #call(item: CallItem): readonly ResponseEvent[] {
    const output_index = this.#index++;
    const { id: item_id, name } = item;
    const begun = { ...item, arguments: "", status: "in_progress" };
    return [
      this.#event("response.output_item.added", { output_index, item: begun }),
      this.#event("response.function_call_arguments.delta", { item_id, output_index, delta: item.arguments }),
      this.#event("response.function_call_arguments.done", {
        ...{ item_id, output_index, name, arguments: item.arguments },
      }),
      this.#event("response.output_item.done", { output_index, item }),
    ];
  }

  #whole(item: OutputItem): readonly ResponseEvent[] {
    const output_index = this.#index++;
    return [
      this.#event("response.output_item.added", { output_index, item }),
      this.#event("response.output_item.done", { output_index, item }),
    ];
  }

  #event(type: string, fields: Readonly<Record<string, unknown>>): ResponseEvent {
    return { type, sequence_number: this.#sequence++, ...fields };
  }
}

function placeOf({ id, index }: Open) {
  return { item_id: id, output_index: index, content_index: 0 };
}

function summaryOf({ id, index }: Open) {
  return { item_id: id, output_index: index, summary_index: 0 };
}
