/** What came of a storm, counted. */

import type { Exchange } from "./exchange.ts";
import type { FuzzCase } from "./fuzz-case.ts";
import { type Breach, codeOf } from "./judge.ts";

export interface Found {
  readonly index: number;
  readonly one: FuzzCase;
  readonly wire: Buffer;
  readonly breach: Breach;
}

const FOUND_MAX = 50;

export class Tally {
  sent = 0;
  readonly statuses = new Map<string, number>();
  readonly codes = new Map<string, number>();
  readonly families = new Map<string, number>();
  readonly outcomes = new Map<string, number>();
  /** Of each operation: how often it was asked, and how often it was answered with a 2xx or 3xx. */
  readonly operations = new Map<string, { asked: number; served: number }>();
  /** Of those that wait for nothing. */
  slowestMs = 0;
  slowest = "";
  /** How many runs may have come of it, at most. */
  runsMax = 0;
  readonly found: Found[] = [];
  breaches = 0;

  count(one: FuzzCase, { answers, outcome, begun, ms }: Exchange): void {
    this.sent += 1;
    raise(this.families, one.family);
    raise(this.outcomes, outcome);
    for (const { status, body } of answers) {
      raise(this.statuses, `${Math.floor(status / 100)}xx`);
      if (status >= 400) raise(this.codes, `${status} ${codeOf(body)}`);
    }
    const served = answers.some(({ status }) => status < 400) || (begun !== undefined && begun < 400);
    if (one.shape === "request") {
      const before = this.operations.get(one.operation) ?? { asked: 0, served: 0 };
      this.operations.set(one.operation, {
        asked: before.asked + 1,
        served: before.served + (served ? 1 : 0),
      });
      const isWhole =
        one.delivery.kind === "whole" && (one.framing === "length" || one.framing === "chunked");
      if (!one.mayLast && isWhole && ms > this.slowestMs) {
        this.slowestMs = ms;
        this.slowest = `${one.method} ${one.target.slice(0, 60)}`;
      }
    }
    // A refusal that names a run tells how that run ended.
    const isRefused =
      answers.length > 0 &&
      answers.every(({ status, headers }) => status >= 400 && status < 500 && !headers.has("x-baton-run-id"));
    if (!isRefused) this.runsMax += runsOf(one, answers.map(({ body }) => body).join(""));
  }

  blame(found: Found): void {
    this.breaches += 1;
    if (this.found.length < FOUND_MAX) this.found.push(found);
  }
}

/** How many runs it asks for, or how many its answer tells. */
function runsOf(one: FuzzCase, answer: string): number {
  const text = one.shape === "bytes" ? one.bytes : (one.body ?? "");
  if (one.shape === "bytes") return count(text, "POST /v1/");
  // Behind its progress, when that is told.
  const told = [...answer.matchAll(/"created":(\d+)/g)].at(-1);
  switch (one.operation) {
    case "submitRun":
    case "forkRun":
    case "createChatCompletion":
    case "createResponse":
      return 1;
    case "submitBatch":
      return told === undefined ? count(text, "\n") + 1 : Number(told[1]);
    case "mcpPOST":
      return count(text, "submit_run") + count(text, "custom_id");
    default:
      return 0;
  }
}

function count(text: string, piece: string): number {
  return text.split(piece).length - 1;
}

function raise(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
