/** Parts of long texts: an assistant's context is small, and what it needs of the rest it can ask for. */

export interface TextSlice {
  readonly text: string;
  /** Where the next part begins; undefined when this one reaches the end. */
  readonly next: number | undefined;
}

/** `chars` of `text` from `from` on, counted as UTF-16 does; no character is cut in two. */
export function sliceText(text: string, from: number, chars: number): TextSlice {
  const start = splitsPair(text, from) ? from + 1 : from;
  const end = start + chars;
  if (end >= text.length) return { text: text.slice(start), next: undefined };
  const border = splitsPair(text, end) ? end + 1 : end;
  return { text: text.slice(start, border), next: border < text.length ? border : undefined };
}

/** The beginning of a text, with a mark where it was cut. */
export function clip(text: string, charsMax: number): string {
  const { text: head, next } = sliceText(text, 0, charsMax);
  return next === undefined ? head : `${head}… [${text.length - next} more characters]`;
}

/** The same as one line. */
export function clipLine(text: string, charsMax: number): string {
  return clip(text.replace(/\s+/g, " ").trim(), charsMax);
}

function splitsPair(text: string, place: number): boolean {
  return isHigh(text.charCodeAt(place - 1)) && isLow(text.charCodeAt(place));
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
