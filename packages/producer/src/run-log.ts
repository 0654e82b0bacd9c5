/** What a run says to the log when it is asked to be verbose: steps, models, tools; with debug, the messages. */
import { type Item, type RunEvent, textOf } from "@baton/core";
import type { LocalOutcome } from "./call-local.ts";
import { messagesOf } from "./messages-of.ts";
import type { RunnerResult } from "./runner-result.ts";

/** A logger of the caller's: pino's and `console` fit. */
export interface RunnerLog {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
}

const RESULT_CHARS_MAX = 80;
const MESSAGE_CHARS_MAX = 60;
const MESSAGES_MAX = 6;

export interface RunLog {
  onEvent(event: RunEvent): Promise<void>;
  onOutcome(outcome: LocalOutcome): void;
  onResult(result: RunnerResult<unknown>): void;
}

export interface RunLogOptions {
  readonly log: RunnerLog;
  /** Messages are logged too, at each step. */
  readonly debug: boolean;
  readonly stepsMax: number | undefined;
  readonly readItems: () => Promise<readonly Item[]>;
}

export const SILENT: RunLog = {
  onEvent: async () => undefined,
  onOutcome: () => undefined,
  onResult: () => undefined,
};

export function verboseLog({ log, debug, stepsMax, readItems }: RunLogOptions): RunLog {
  let steps = 0;
  let model: string | undefined;
  return {
    async onEvent(event) {
      if (event.type === "snapshot") {
        steps = event.run.turns;
        model = event.run.model;
        log.info(`The run is ${event.run.status} with ${model}, after ${steps} steps`);
      }
      if (event.type === "phase") {
        if (model !== event.model) {
          log.info(model === undefined ? `Model: ${event.model}` : `Handoff to model: ${event.model}`);
        } else if (event.takeover) log.info(`${event.model} goes on after its worker was lost`);
        model = event.model;
      }
      if (event.type === "turn") {
        steps += 1;
        log.info(`Step ${steps}${stepsMax === undefined ? "" : `/${stepsMax}`}: ${event.model}`);
        if (debug) for (const line of messageLines(await readItems())) log.debug(line);
      }
      if (event.type === "tool_end") log.info(toolLine(event.name, event.preview, event.isError));
      if (event.type === "notice") log.info(`${event.code}: ${event.message}`);
    },
    onOutcome: ({ call, content, isError }) => log.info(toolLine(call.name, content, isError)),
    onResult(result) {
      log.info(`Models used: ${result.modelsUsed.join(", ") || "none"}`);
      log.info(`Tools called: ${result.toolsCalled.join(", ") || "none"}`);
    },
  };
}

function toolLine(name: string, text: string, isError: boolean): string {
  return `Tool ${name} ${isError ? "failed" : "returned"}: ${short(text, RESULT_CHARS_MAX)}`;
}

function messageLines(items: readonly Item[]): readonly string[] {
  return messagesOf(items)
    .slice(-MESSAGES_MAX)
    .map((message) => {
      const { content } = message;
      const text =
        typeof content === "string"
          ? content
          : textOf({ parts: (content ?? []).flatMap((part) => (part.type === "text" ? [part] : [])) });
      return `  ${message.role}: ${short(text, MESSAGE_CHARS_MAX)}`;
    });
}

function short(text: string, charsMax: number): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > charsMax ? `${line.slice(0, charsMax - 1)}…` : line;
}
