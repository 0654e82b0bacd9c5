/**
 * What a server answered to a call, as content that a model can be given.
 *
 * - Texts together have at most `charsMax` characters; what is cut is counted in a note, which is within the bound.
 * - Files have their own bound, by bytes and by number; one that is over it, or whose base64 is broken (an API
 *   would refuse the whole request for it), becomes a note.
 * - A part of a kind that is unknown becomes a note too: a call that ran is never lost over its result's form.
 * - Credentials are taken out before anything is cut, so that no half of one remains.
 */
import type { FilePart, TextPart, ToolOutcome } from "@baton/core";
import { z } from "zod";

export interface ResultBounds {
  readonly charsMax: number;
  /** Takes credentials out of a text. */
  readonly redact: (text: string) => string;
}

/** The bytes of one file, and of all files of a result. */
const FILE_BYTES_MAX = 5_000_000;
const FILES_BYTES_MAX = 10_000_000;
const PARTS_MAX = 200;
const NOTE_CHARS_MAX = 500;

/** Looser than the SDK's own schema: content is read part by part, each with its own fallback. */
export const callResultSchema = z.looseObject({
  content: z.array(z.unknown()).default([]),
  structuredContent: z.unknown().optional(),
  isError: z.boolean().optional(),
});
export type CallResult = z.infer<typeof callResultSchema>;

const resourceSchema = z.object({
  uri: z.string().default(""),
  mimeType: z.string().optional(),
  text: z.string().optional(),
  blob: z.string().optional(),
});

const contentSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text"), text: z.string() }),
  z.object({ type: z.literal("image"), data: z.string(), mimeType: z.string() }),
  z.object({ type: z.literal("audio"), data: z.string(), mimeType: z.string() }),
  z.object({ type: z.literal("resource"), resource: resourceSchema }),
  z.object({
    type: z.literal("resource_link"),
    uri: z.string(),
    name: z.string().optional(),
    title: z.string().optional(),
    description: z.string().optional(),
    mimeType: z.string().optional(),
  }),
]);
type Content = z.infer<typeof contentSchema>;

type ContentPart = TextPart | FilePart;

export function toOutcome(result: CallResult, bounds: ResultBounds): ToolOutcome {
  const parts = result.content.slice(0, PARTS_MAX).flatMap((block): readonly ContentPart[] => {
    const parsed = contentSchema.safeParse(block);
    return parsed.success
      ? partsOf(parsed.data)
      : [note(`content of the kind ${kindOf(block)}`, "it is not supported")];
  });
  const left = result.content.length - PARTS_MAX;
  if (left > 0) parts.push(note(`${left} more parts`, `a result has at most ${PARTS_MAX}`));
  // A server that gives structured content should repeat it as text; when it does not, the model still needs it.
  if (result.structuredContent !== undefined && !parts.some((part) => part.type === "text")) {
    parts.push({ type: "text", text: JSON.stringify(result.structuredContent) });
  }
  return { isError: result.isError === true, content: bound(parts, bounds) };
}

/** A text of ours or of a function as an outcome, within the same bounds. */
export function textOutcome(text: string, isError: boolean, bounds: ResultBounds): ToolOutcome {
  return { isError, content: bound([{ type: "text", text }], bounds) };
}

function partsOf(content: Content): readonly ContentPart[] {
  switch (content.type) {
    case "text":
      return [{ type: "text", text: content.text }];
    case "image":
      return [fileOr(content.data, content.mimeType, "an image", undefined)];
    case "audio":
      return [
        note(`audio (${content.mimeType}, ${bytesOf(content.data)} bytes)`, "models are not given audio"),
      ];
    case "resource":
      return [resourcePart(content.resource)];
    case "resource_link": {
      const { uri, mimeType, description } = content;
      const title = content.title ?? content.name;
      const details = [title, mimeType, description].filter(
        (detail) => detail !== undefined && detail !== "",
      );
      return [
        { type: "text", text: `[resource ${uri}${details.length > 0 ? `: ${details.join(", ")}` : ""}]` },
      ];
    }
  }
}

function resourcePart({ uri, mimeType, text, blob }: z.infer<typeof resourceSchema>): ContentPart {
  if (text !== undefined) return { type: "text", text: `[resource ${uri}]\n${text}` };
  const what = `the resource ${uri}`;
  if (blob === undefined) return note(what, "it is empty");
  return fileOr(blob, mimeType ?? "application/octet-stream", what, uri.split("/").at(-1));
}

/** Images and PDFs are what models take as files. */
function fileOr(base64: string, mediaType: string, what: string, name: string | undefined): ContentPart {
  const label = `${what} (${mediaType}, ${bytesOf(base64)} bytes)`;
  if (!/^image\/[a-z0-9.+-]+$|^application\/pdf$/i.test(mediaType)) {
    return note(label, "models are not given files of this type");
  }
  const data = base64.replace(/\s+/g, "");
  if (data === "" || data.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(data)) {
    return note(label, "its base64 is broken");
  }
  if (bytesOf(data) > FILE_BYTES_MAX) return note(label, `a file has at most ${FILE_BYTES_MAX} bytes`);
  return {
    type: "file",
    mediaType: mediaType.toLowerCase(),
    source: { kind: "base64", data },
    ...(name === undefined || name === "" ? {} : { name: name.slice(0, 255) }),
  };
}

function bound(parts: readonly ContentPart[], { charsMax, redact }: ResultBounds): readonly ContentPart[] {
  let bytes = 0;
  const kept = parts.flatMap((part): readonly ContentPart[] => {
    if (part.type === "text") {
      const text = redact(part.text).toWellFormed();
      return text === "" ? [] : [{ ...part, text }];
    }
    if (part.source.kind === "url") return [part];
    bytes += bytesOf(part.source.data);
    return [
      bytes > FILES_BYTES_MAX
        ? note("a file", `the files of a result have at most ${FILES_BYTES_MAX} bytes`)
        : part,
    ];
  });
  if (kept.length === 0) return [{ type: "text", text: "(The tool returned nothing.)" }];
  const chars = kept.reduce((sum, part) => sum + (part.type === "text" ? part.text.length : 0), 0);
  return chars <= charsMax ? kept : cutTexts(kept, chars, charsMax);
}

/** Keeps texts from the front. The note stands where the cut is. */
function cutTexts(parts: readonly ContentPart[], chars: number, charsMax: number): readonly ContentPart[] {
  const cutNote = (cut: number) => `\n[Cut here: ${cut} of ${chars} characters are left out.]`;
  let room = Math.max(0, charsMax - cutNote(chars).length);
  const cut = chars - room;
  let isCut = false;
  return parts.flatMap((part): readonly ContentPart[] => {
    if (part.type !== "text") return [part];
    if (isCut) return [];
    if (part.text.length <= room) {
      room -= part.text.length;
      return [part];
    }
    isCut = true;
    // A cut through a surrogate pair would leave half a character.
    const head = part.text.slice(0, room).replace(/[\ud800-\udbff]$/, "");
    return [{ type: "text", text: `${head}${cutNote(cut + room - head.length)}`.slice(0, charsMax) }];
  });
}

function note(what: string, why: string): TextPart {
  return { type: "text", text: `[Left out: ${what}: ${why}.]`.slice(0, NOTE_CHARS_MAX) };
}

function kindOf(block: unknown): string {
  const kind = typeof block === "object" && block !== null && "type" in block ? block.type : undefined;
  return typeof kind === "string" ? JSON.stringify(kind) : "unknown";
}

/** How many bytes a base64 text stands for. */
function bytesOf(base64: string): number {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return Math.max(0, Math.floor((base64.length * 3) / 4) - padding);
}
