/**
 * Progress as a board: a line for each run, drawn anew where it stands, under the lines that stay. No line is ever
 * longer than the screen is wide, else the cursor would not find its way back.
 */
import { shorten } from "./layout.ts";
import type { Progress, Screen, Style } from "./progress.ts";
import { labelOf, type RunView, type Step } from "./run-view.ts";

const DRAW_MS = 80;
const TOPIC_WIDTH = 18;
const MODEL_WIDTH = 37;
const WORKER_WIDTH = 8;

const LOOKS: Readonly<Record<RunView["state"], { readonly mark: string; readonly style: Style }>> = {
  waiting: { mark: "○", style: "dim" },
  working: { mark: "●", style: "cyan" },
  lost: { mark: "✂", style: ["bold", "red"] },
  succeeded: { mark: "✓", style: "green" },
  failed: { mark: "✗", style: ["bold", "red"] },
};

export class Board implements Progress {
  readonly #screen: Screen;
  readonly #views = new Map<string, RunView>();
  #drawnRows = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  say(line: string, style?: Style): void {
    const text = style === undefined ? line : this.#screen.style(style, line);
    this.#screen.write(`${this.#erasing()}${text}\n${this.#drawing()}`);
  }

  show({ view }: Step): void {
    this.#views.set(view.topic, view);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#screen.write(this.#erasing() + this.#drawing());
    }, DRAW_MS);
  }

  /** Takes the board away: what comes next says how it ended. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#screen.write(this.#erasing());
    this.#views.clear();
  }

  #erasing(): string {
    const rows = this.#drawnRows;
    this.#drawnRows = 0;
    return rows === 0 ? "" : `\u001b[${rows}A\u001b[J`;
  }

  #drawing(): string {
    const width = this.#screen.stream.columns - 1;
    const lines = [...this.#views.values()].map((view) => this.#row(view, width));
    if (lines.length === 0) return "";
    this.#drawnRows = lines.length + 1;
    return `\n${lines.join("\n")}\n`;
  }

  #row(view: RunView, width: number): string {
    const { mark, style } = LOOKS[view.state];
    const cells = [
      view.topic.padEnd(TOPIC_WIDTH),
      labelOf(view.model).padEnd(MODEL_WIDTH),
      (view.worker ?? "").padEnd(WORKER_WIDTH),
      view.activity,
    ];
    return this.#screen.style(style, shorten(`${mark} ${cells.join("  ")}`, width));
  }
}
