/** Progress as lines: `12:03:04  tidal-power  openai/gpt-5.2 [simulated]  ⚙ search_documents "tidal power"`. */
import type { Progress, Screen, Style } from "./progress.ts";
import { labelOf, type Step } from "./run-view.ts";

const TOPIC_WIDTH = 18;
const MODEL_WIDTH = 37;

export class EventLines implements Progress {
  readonly #screen: Screen;
  readonly #now: () => number;

  constructor(screen: Screen, now: () => number) {
    this.#screen = screen;
    this.#now = now;
  }

  say(line: string, style?: Style): void {
    this.#screen.write(`${style === undefined ? line : this.#screen.style(style, line)}\n`);
  }

  show({ view, by, line }: Step): void {
    if (line === undefined) return;
    const time = new Date(this.#now()).toTimeString().slice(0, 8);
    const model = labelOf(by).padEnd(MODEL_WIDTH);
    this.#screen.write(`${time}  ${view.topic.padEnd(TOPIC_WIDTH)}  ${model}  ${line}\n`);
  }

  [Symbol.dispose](): void {
    // Lines stand where they are.
  }
}
