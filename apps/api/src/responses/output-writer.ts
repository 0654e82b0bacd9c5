/**
 * The events of a streamed response, in the order and numbering that OpenAI's clients check. So that each can be checked
 * against the others:
 *
 *   - an item keeps its id and its `output_index`, which is its place in the output of the last event, too;
 *   - what an item's last events tell is what its deltas add up to;
 *   - the answer is one message, opened by its first text. Text that is void, or turns out not to be the answer, ends
 *     its message, which stands in the last event without any content: there the answer is alone. In a response that
 *     failed there is none, and its text stays.
 *
 * What the text events are is decided in answer-stream.ts.
 */
import type { RunId, RunSpec } from "@baton/core";
import type { AnswerEvent } from "../answers/answer-stream.ts";
import type { OpenAiErrorBody } from "../answers/openai-problem.ts";
import { serverOf } from "../answers/tool-runs.ts";
import {
  type CallItem,
  type McpCallItem,
  type MessageContent,
  type MessageItem,
  mcpCallItem,
  messageItem,
  type OutputItem,
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

const PARAGRAPH = "\n\n";

/** The last event of a stream that has no answer to tell: OpenAI's fields, and `error`, which its clients throw. */
export function errorEvent({ error }: OpenAiErrorBody, sequence_number: number): ResponseEvent {
  const { code, message, param } = error;
  return { type: "error", sequence_number, code, message, param, error };
}

export class OutputWriter {
  readonly #runId: RunId;
  readonly #spec: RunSpec;
  #sequence = 0;
  /** Items begun. */
  #index = 0;
  #messages = 0;
  #message: Open | undefined;
  #reasoning: Open | undefined;
  /** What was told, each item at its `output_index`. */
  readonly #told: OutputItem[] = [];
  readonly #void = new Set<OutputItem>();
  #thoughts = 0;
  #calls = 0;
  /** The next text begins with a paragraph's break, which parts it from text that was sent before. */
  #isBehindText = false;

  constructor(runId: RunId, spec: RunSpec) {
    this.#runId = runId;
    this.#spec = spec;
  }

  /** Of the message that the answer's text is in, or will be. */
  get messageId(): string {
    return this.#message?.id ?? itemIdOf("msg", this.#runId, this.#messages);
  }

  /** What was told of what was done for the answer, and whether it has reasoning in it. */
  get toldWork(): { readonly thoughts: number; readonly calls: number } {
    return { thoughts: this.#thoughts, calls: this.#calls };
  }

  /** All that was told and is over, as the last event has it. */
  output({ withVoid }: { readonly withVoid: boolean }): readonly OutputItem[] {
    return this.#told.map((item) =>
      item.type === "message" && this.#void.has(item) && !withVoid ? { ...item, content: [] } : item,
    );
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
        // What was said on the way is no part of what was thought.
        if (event.isAside !== true) return this.#think(event.text);
        return [...this.endReasoning(), ...this.#think(event.text), ...this.endReasoning()];
      case "withdrawn":
        return this.breakOff();
      case "passed":
        this.#isBehindText ||= this.#message !== undefined;
        return this.#end("completed");
      case "ran": {
        const server = serverOf(event.result, this.#spec);
        const item = mcpCallItem(this.#runId, this.#calls, {
          call: event.call,
          result: event.result,
          server,
        });
        return [...this.endReasoning(), ...this.#mcpCall(item)];
      }
      case "calls":
        // They are told with the end, which comes at once.
        return [];
    }
  }

  /** Ends what is open, as void. */
  breakOff(): readonly ResponseEvent[] {
    return this.#end("incomplete");
  }

  #end(status: MessageItem["status"]): readonly ResponseEvent[] {
    const open = this.#message;
    if (open === undefined) return this.endReasoning();
    const item = messageItem(open.id, textContent(open.text), status);
    this.#void.add(item);
    return [...this.endReasoning(), ...this.#endMessage(open, item)];
  }

  /** Tells items that were not told. Text that is open ends as the message among them has it. */
  finish(items: readonly OutputItem[]): readonly ResponseEvent[] {
    return [...this.endReasoning(), ...items.flatMap((item) => this.#finishItem(item))];
  }

  #finishItem(item: OutputItem): readonly ResponseEvent[] {
    switch (item.type) {
      case "reasoning":
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
        return this.#mcpCall(item);
    }
  }

  #text(said: string): readonly ResponseEvent[] {
    const text = this.#isBehindText && said.startsWith(PARAGRAPH) ? said.slice(PARAGRAPH.length) : said;
    this.#isBehindText = false;
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
    this.#told[open.index] = item;
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
    if (text === "") return [];
    const { open, begun } =
      this.#reasoning === undefined ? this.#beginReasoning() : { open: this.#reasoning, begun: [] };
    open.text += text;
    return [
      ...begun,
      this.#event("response.reasoning_summary_text.delta", { ...summaryOf(open), delta: text }),
    ];
  }

  #beginReasoning(): { readonly open: Open; readonly begun: readonly ResponseEvent[] } {
    const id = itemIdOf("rs", this.#runId, this.#thoughts++);
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

  /** Ends reasoning that is open. */
  endReasoning(): readonly ResponseEvent[] {
    const open = this.#reasoning;
    if (open === undefined) return [];
    this.#reasoning = undefined;
    const item = reasoningItem(open.id, open.text);
    this.#told[open.index] = item;
    const [part] = item.summary;
    return [
      this.#event("response.reasoning_summary_text.done", { ...summaryOf(open), text: open.text }),
      this.#event("response.reasoning_summary_part.done", { ...summaryOf(open), part }),
      this.#event("response.output_item.done", { output_index: open.index, item }),
    ];
  }

  #call(item: CallItem): readonly ResponseEvent[] {
    const output_index = this.#index++;
    this.#told[output_index] = item;
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

  #mcpCall(item: McpCallItem): readonly ResponseEvent[] {
    this.#calls += 1;
    const output_index = this.#index++;
    this.#told[output_index] = item;
    const place = { item_id: item.id, output_index };
    const begun = { ...item, arguments: "", output: null, error: null, status: "in_progress" };
    return [
      this.#event("response.output_item.added", { output_index, item: begun }),
      this.#event("response.mcp_call.in_progress", place),
      this.#event("response.mcp_call_arguments.delta", { ...place, delta: item.arguments }),
      this.#event("response.mcp_call_arguments.done", { ...place, arguments: item.arguments }),
      this.#event(`response.mcp_call.${item.status}`, place),
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
