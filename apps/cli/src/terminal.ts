/**
 * Writing to a terminal. Text of models and tools is data: control sequences are taken out of it, so that it can
 * neither move the cursor nor set the window's title. Colour and progress only where somebody looks.
 */
import { stripVTControlCharacters, styleText } from "node:util";

export interface Terminal {
  /** Standard output is a terminal: text is streamed and progress is shown. */
  readonly interactive: boolean;
  /** Characters in a line of standard output; undefined where it is no terminal. */
  readonly columns: number | undefined;
  out(text: string): void;
  err(text: string): void;
  style(format: Parameters<typeof styleText>[0], text: string): string;
}

export function openTerminal(): Terminal {
  const interactive = process.stdout.isTTY === true;
  return {
    interactive,
    columns: interactive ? process.stdout.columns : undefined,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    style: (format, text) => (interactive ? styleText(format, text, { stream: process.stdout }) : text),
  };
}

/** Text of others without control characters; line ends and tabs stay. */
export function clean(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
  return stripVTControlCharacters(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "");
}

/** One line of at most `width` characters. */
export function shorten(text: string, width: number): string {
  const line = clean(text).replace(/\s+/g, " ").trim();
  return line.length > width ? `${line.slice(0, Math.max(0, width - 1))}…` : line;
}

/** Columns padded to their widest cell; the last is left as it is. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  }
  return rows
    .map((row) =>
      row
        .map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0)))
        .join("  "),
    )
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

/** `3.2 s`, `4 min 05 s`. */
export function duration(ms: number): string {
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
}

/** `12,345`. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** `1 run`, `12,345 runs`. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** How long ago something was, for a person: `40 s`, `5 min`, `3 h`, `12 d`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/** When something was: for a person how long ago, for a pipe the time. */
export function sinceText({ interactive }: Pick<Terminal, "interactive">, at: number): string {
  return interactive ? `${age(Date.now() - at)} ago` : timeText(at);
}

/** `2026-11-21 22:45:39Z`. */
export function timeText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace("T", " ")}Z`;
}
