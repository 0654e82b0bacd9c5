/**
 * The conversation as input items of OpenAI's Responses API, which keeps nothing (`store: false`). Kept here:
 *   1. A reasoning item goes back only with its encrypted content, only to its own model, and only with an item
 *      behind it; when one of a turn cannot, none of that turn does, and no id that depends on it.
 *   2. Every `function_call` has its `function_call_output` behind the items of its turn, in call order.
 *   3. The input ends with a user message or an output.
 */
import type { OpenAI } from "openai";
import { z } from "zod";
import {
  type AssistantPart,
  type AssistantTurn,
  isBlank,
  resultText,
  type Turn,
  type UserPart,
  type WireCall,
} from "../conversation.ts";
import { fileContent, fileNote, inlineText } from "../file-part.ts";

export type InputItem = OpenAI.Responses.ResponseInputItem;
type Content = OpenAI.Responses.ResponseInputText | InputImage | OpenAI.Responses.ResponseInputFile;
type InputImage = OpenAI.Responses.ResponseInputImage;

export function renderInput(turns: readonly Turn[], images: boolean): InputItem[] {
  return turns.flatMap((turn) => {
    if (turn.kind === "user") {
      const content = turn.parts.map((part) => contentOf(part, images));
      return [{ type: "message" as const, role: "user" as const, content }];
    }
    return [...assistantItems(turn), ...turn.calls.map((call) => outputOf(call, images))];
  });
}

const sealedReasoning = z.looseObject({ type: z.literal("reasoning"), encrypted_content: z.string().min(1) });
const anyReasoning = z.looseObject({ type: z.literal("reasoning") });
const statusOf = z.looseObject({ status: z.string().optional() });

function assistantItems(turn: AssistantTurn): InputItem[] {
  const parts = withoutTrailingReasoning(turn.parts);
  return turn.live && isReplayable(parts) ? parts.map(verbatim) : parts.flatMap(plain);
}

/** A reasoning item wants the item that followed it; one that was cut off has none. */
function withoutTrailingReasoning(parts: readonly AssistantPart[]): readonly AssistantPart[] {
  const last = parts.findLastIndex(
    (part) => part.type !== "reasoning" || !anyReasoning.safeParse(part.native).success,
  );
  return parts.slice(0, last + 1);
}

/** Only whole: every part has its own item, finished, and every reasoning is sealed. */
function isReplayable(parts: readonly AssistantPart[]): boolean {
  return parts.every((part) => {
    if (part.native === undefined) return false;
    if (anyReasoning.safeParse(part.native).success) return sealedReasoning.safeParse(part.native).success;
    const status = statusOf.safeParse(part.native).data?.status;
    return status === undefined || status === "completed";
  });
}

function verbatim(part: AssistantPart): InputItem {
  // The reader of this API kept the item as it came, and live turns come from this API alone.
  const item = part.native as InputItem;
  return part.type === "call" && item.type === "function_call" ? { ...item, call_id: part.id } : item;
}

function plain(part: AssistantPart): InputItem[] {
  if (part.type === "call") {
    return [
      {
        type: "function_call",
        call_id: part.id,
        name: part.name,
        arguments: JSON.stringify(part.input),
      },
    ];
  }
  if (part.type === "reasoning" || isBlank(part.text)) return [];
  return [{ type: "message", role: "assistant", content: part.text, ...phaseOf(part.native) }];
}

const phased = z.looseObject({ phase: z.enum(["commentary", "final_answer"]) });

/** Newer models label what is commentary and what the answer, and answer worse when the label is lost. */
function phaseOf(native: unknown): { readonly phase?: "commentary" | "final_answer" } {
  const parsed = phased.safeParse(native);
  return parsed.success ? { phase: parsed.data.phase } : {};
}

function outputOf(call: WireCall, images: boolean): InputItem {
  const content = call.result.content.map((part) => contentOf(part, images));
  const texts = content.filter((part) => part.type === "input_text");
  if (texts.length === content.length) {
    const output = resultText(
      call.result,
      texts.map((part) => part.text),
    );
    return { type: "function_call_output", call_id: call.id, output };
  }
  const error: Content[] = call.result.isError ? [{ type: "input_text", text: "Error:" }] : [];
  return { type: "function_call_output", call_id: call.id, output: [...error, ...content] };
}

function contentOf(part: UserPart, images: boolean): Content {
  if (part.type === "text") return { type: "input_text", text: part.text };
  const file = fileContent(part);
  switch (file.kind) {
    case "image": {
      if (!images) return { type: "input_text", text: fileNote(part, "this model takes no images") };
      const url = "url" in file ? file.url : `data:${file.mediaType};base64,${file.base64}`;
      return { type: "input_image", image_url: url, detail: part.detail ?? "auto" };
    }
    case "pdf":
      return "url" in file
        ? { type: "input_file", file_url: file.url }
        : {
            type: "input_file",
            filename: file.name,
            file_data: `data:application/pdf;base64,${file.base64}`,
          };
    case "text":
      return { type: "input_text", text: inlineText(file) };
    case "other":
      return { type: "input_text", text: fileNote(part, "it is of a kind that this model does not take") };
  }
}
