/**
 * The log for a person who looks at a terminal: a line for each record, with its time, and what is wrong in colour. What goes
 * into a file or to a collector stays JSON. Records hold text of others, so control sequences are taken out of it.
 */
import { styleText } from "node:util";
import type { DestinationStream } from "pino";
import { clean } from "./terminal.ts";

const LEVELS: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  40: "warning",
  50: "error",
  60: "fatal",
};
/** Said by the line itself, or of no use to whoever sits before the process. */
const OWN = new Set(["level", "time", "pid", "hostname", "msg", "err", "error", "reqId"]);
const OF_REQUEST = new Set(["method", "route", "status", "ms"]);
const LEVEL_ERROR = 50;

type Write = (text: string) => void;
type LogRecord = Readonly<Record<string, unknown>>;

export function screenLog(
  write: Write = (text) => process.stderr.write(text),
  stream: NodeJS.WritableStream = process.stderr,
): DestinationStream {
  const style: Style = (format, text) => styleText(format, text, { stream });
  return { write: (line) => write(screenLine(JSON.parse(line), style)) };
}

type Style = (format: Parameters<typeof styleText>[0], text: string) => string;

/** One record, with its line end; without style it is plain text. */
export function screenLine(record: LogRecord, style: Style = (_format, text) => text): string {
  const level = Number(record.level);
  const name = LEVELS[level];
  const time = style("dim", new Date(Number(record.time)).toTimeString().slice(0, 8));
  const label = name === undefined ? "" : `${style(level < LEVEL_ERROR ? "yellow" : "red", name)} `;
  const isRequest = record.msg === "request" && record.method !== undefined;
  const what = isRequest ? requestText(record, style) : oneLine(String(record.msg ?? ""));
  const more = Object.entries(record).filter(([key]) => !OWN.has(key) && !(isRequest && OF_REQUEST.has(key)));
  const fields = more.map(([key, value]) => style("dim", ` ${key}=${oneLine(textOf(value))}`)).join("");
  return `${time} ${label}${what}${fields}\n${errorText(record.err ?? record.error, level, style)}`;
}

function requestText({ method, route, status, ms }: LogRecord, style: Style): string {
  const isOurs = Number(status) >= 500;
  const ending = Number(status) < 400 ? String(status) : style(isOurs ? "red" : "yellow", String(status));
  return `${oneLine(`${method} ${route}`)} ${ending} ${style("dim", `${ms} ms`)}`;
}

/** What it says; of what is no warning but a fault, also where it was thrown. */
function errorText(error: unknown, level: number, style: Style): string {
  if (typeof error !== "object" || error === null)
    return error === undefined ? "" : `  ${clean(String(error))}\n`;
  const { message, stack } = error as { readonly message?: unknown; readonly stack?: unknown };
  const text = level >= LEVEL_ERROR && typeof stack === "string" ? stack : String(message ?? "");
  const lines = clean(text)
    .split("\n")
    .filter((line) => line.trim() !== "");
  return lines.map((line) => style("dim", `  ${line.trimEnd()}\n`)).join("");
}

function textOf(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function oneLine(text: string): string {
  return clean(text).replace(/\s*\n\s*/g, " ");
}
