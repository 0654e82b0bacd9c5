/**
 * Progress of the demo: a board with a line for each run where somebody looks at a terminal that is large enough,
 * else a line for each event. What is said stays in both.
 */
import { styleText } from "node:util";
import { Board } from "./board.ts";
import { EventLines } from "./event-lines.ts";
import type { Step } from "./run-view.ts";

export type Style = Parameters<typeof styleText>[0];

export interface Progress extends Disposable {
  /** A line that stays. */
  say(line: string, style?: Style): void;
  /** What a run has just done, and does now. */
  show(step: Step): void;
}

/** A stream, and what is known of who reads it. */
export interface Screen {
  readonly stream: NodeJS.WriteStream;
  write(text: string): void;
  style(style: Style, text: string): string;
}

export interface ProgressOptions {
  readonly stream: NodeJS.WriteStream;
  /** How many runs there will be. */
  readonly runs: number;
  /** False where nobody looks, as in CI. */
  readonly interactive: boolean;
  readonly now: () => number;
}

/** Lines that a board needs beside its runs, so that what is said is seen. */
const SPARE_ROWS = 6;
const COLUMNS_MIN = 80;

export function openProgress({ stream, runs, interactive, now }: ProgressOptions): Progress {
  const screen: Screen = {
    stream,
    write: (text) => void stream.write(text),
    style: (style, text) => (stream.isTTY ? styleText(style, text, { stream }) : text),
  };
  const isRoomy = stream.columns >= COLUMNS_MIN && stream.rows >= runs + SPARE_ROWS;
  return interactive && stream.isTTY && isRoomy ? new Board(screen) : new EventLines(screen, now);
}
