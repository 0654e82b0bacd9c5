/**
 * Files and images as the renderers need them: what kind it is, and its bytes or address. What an API takes in
 * no form becomes a text note, so that the model at least knows that there was something.
 */
import type { FilePart } from "@baton/core";

export type FileContent =
  | { readonly kind: "image"; readonly mediaType: string; readonly base64: string }
  | { readonly kind: "image"; readonly mediaType: string; readonly url: string }
  | { readonly kind: "pdf"; readonly base64: string; readonly name: string }
  | { readonly kind: "pdf"; readonly url: string; readonly name: string }
  | { readonly kind: "text"; readonly text: string; readonly name: string }
  | { readonly kind: "other" };

/** The image types that all three APIs take as data. */
const IMAGE_DATA = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"]);
const TEXT = /^(text\/|application\/(json|xml|yaml|x-yaml|javascript|x-ndjson|toml|sql)$)/;

export function fileContent(part: FilePart): FileContent {
  const { mediaType, data, url } = unpack(part);
  if (mediaType.startsWith("image/")) {
    if (url !== undefined) return { kind: "image", mediaType, url };
    return data !== undefined && IMAGE_DATA.has(mediaType)
      ? { kind: "image", mediaType, base64: data }
      : { kind: "other" };
  }
  if (mediaType === "application/pdf") {
    const name = nameOf(part, "document.pdf");
    if (url !== undefined) return { kind: "pdf", url, name };
    return data === undefined ? { kind: "other" } : { kind: "pdf", base64: data, name };
  }
  if (TEXT.test(mediaType) && data !== undefined) {
    const text = Buffer.from(data, "base64").toString("utf8");
    if (text.trim() !== "") return { kind: "text", text, name: nameOf(part, "file") };
  }
  return { kind: "other" };
}

/** What stands in for a file that cannot be passed on. */
export function fileNote(part: FilePart, why: string): string {
  const { mediaType, url } = unpack(part);
  const name = part.name === undefined ? "" : ` "${part.name}"`;
  const place = url === undefined ? "" : ` at ${url}`;
  return `[A file${name} (${mediaType})${place} stood here; ${why}.]`;
}

/** A text file inside a message of an API that knows no text files. */
export function inlineText(file: { readonly name: string; readonly text: string }): string {
  return `File "${file.name}":\n${file.text}`;
}

function nameOf(part: FilePart, otherwise: string): string {
  return part.name === undefined || part.name.trim() === "" ? otherwise : part.name;
}

function unpack(part: FilePart): {
  readonly mediaType: string;
  readonly data: string | undefined;
  readonly url: string | undefined;
} {
  const { source } = part;
  const mediaType = plainType(part.mediaType);
  if (source.kind === "base64") return { mediaType, data: source.data, url: undefined };
  const inline = /^data:([^;,]+)(?:;[^;,]+)*;base64,(.*)$/s.exec(source.url);
  if (inline?.[1] === undefined) return { mediaType, data: undefined, url: source.url };
  return { mediaType: plainType(inline[1]), data: inline[2] ?? "", url: undefined };
}

function plainType(mediaType: string): string {
  const [type] = mediaType.split(";");
  const plain = (type ?? "").trim().toLowerCase();
  return plain === "image/jpg" ? "image/jpeg" : plain;
}
