/** What `baton batch submit` tells: bad lines and conflicts (a few to a person, all to `--json` and files), and the end. */
import { closeSync, openSync, writeSync } from "node:fs";
import { BatonError } from "@baton/core";
import type { BadLine, BatchCheck, BatchSubmission, LineConflict } from "@baton/producer";
import type { BatchFlags } from "./batch-flags.ts";
import type { BatchSource } from "./batch-source.ts";
import type { StatusLine } from "./status-line.ts";
import { clean, count, counted, shorten, type Terminal } from "./terminal.ts";

const SHOWN_MAX = 20;
const REASON_CHARS = 300;

export class BatchReport implements Disposable {
  readonly #terminal: Terminal;
  readonly #flags: BatchFlags;
  readonly #file: number | undefined;
  #bad = 0;
  #conflicts = 0;

  private constructor(terminal: Terminal, flags: BatchFlags) {
    this.#terminal = terminal;
    this.#flags = flags;
    this.#file = flags.invalid === undefined ? undefined : openSync(flags.invalid, "w");
  }

  /** Throws `invalid_spec` when the bad lines would be written over the batch itself. */
  static async open(terminal: Terminal, flags: BatchFlags, source: BatchSource): Promise<BatchReport> {
    if (flags.invalid !== undefined && (await source.isAt(flags.invalid))) {
      throw new BatonError("invalid_spec", "--invalid names the batch file itself, which would be emptied");
    }
    return new BatchReport(terminal, flags);
  }

  badLine(line: StatusLine, { line: number, customId, reason }: BadLine): void {
    const wire = { line: number, ...(customId === undefined ? {} : { custom_id: customId }), reason };
    if (this.#file !== undefined) writeSync(this.#file, `${JSON.stringify(wire)}\n`);
    this.#bad += 1;
    if (this.#flags.json === true) this.#terminal.out(`${JSON.stringify(wire)}\n`);
    else if (this.#bad <= SHOWN_MAX) {
      line.clear();
      this.#terminal.err(
        `line ${number}${customId === undefined ? "" : ` (${shorten(customId, 60)})`}: ${shorten(reason, REASON_CHARS)}\n`,
      );
    }
  }

  conflict(line: StatusLine, { line: number, customId, runId }: LineConflict): void {
    this.#conflicts += 1;
    if (this.#flags.json === true) {
      this.#terminal.out(`${JSON.stringify({ line: number, custom_id: customId, conflict: runId })}\n`);
    } else if (this.#conflicts <= SHOWN_MAX) {
      line.clear();
      this.#terminal.err(
        `line ${number} (${shorten(customId, 60)}): its custom_id is that of run ${runId}, which has another body\n`,
      );
    }
  }

  /** Whether there is something that may be submitted; tells why not. */
  mayGoOn(checked: Pick<BatchCheck, "runs" | "bad" | "isCut">): boolean {
    if (checked.runs + checked.bad === 0) throw new BatonError("invalid_spec", "the batch file is empty");
    if (checked.bad === 0) return true;
    const hidden = this.#flags.json === true ? 0 : Math.max(0, checked.bad - SHOWN_MAX);
    // An API tells of the first ones alone.
    const told = checked.bad > this.#bad ? `the first ${count(this.#bad)}` : "all";
    if (hidden > 0) this.#say(`… and ${count(hidden)} more: --invalid FILE or --json tells of ${told}`);
    if (this.#flags.skipInvalid === true && !checked.isCut && checked.runs > 0) return true;
    const { bad, runs } = checked;
    if (this.#flags.json === true) {
      this.#json({ id: null, runs, invalid: bad, created: 0, known: 0, conflicts: 0, complete: false });
    } else {
      const way = checked.isCut || runs === 0 ? "" : "; --skip-invalid submits the others";
      this.#say(
        `baton: ${count(bad)} of ${count(bad + runs)} lines cannot be submitted, so nothing was${way}`,
      );
    }
    return false;
  }

  checked(id: string, { runs, bad }: Pick<BatchCheck, "runs" | "bad">): void {
    if (this.#flags.json === true) {
      this.#json({ id, runs, invalid: bad, created: 0, known: 0, conflicts: 0, complete: false });
    } else this.#terminal.out(`${counted(runs, "run")} can be submitted; the batch would be ${id}\n`);
  }

  submitted(
    submission: BatchSubmission,
    { runs, bad }: Pick<BatchCheck, "runs" | "bad">,
    unserved: readonly string[],
  ): void {
    const { id, created, known, conflicts, isWhole } = submission;
    if (this.#flags.json === true) {
      this.#json({ id, runs, invalid: bad, created, known, conflicts, complete: isWhole });
      return;
    }
    const hidden = Math.max(0, conflicts - SHOWN_MAX);
    const of = conflicts > this.#conflicts ? `the first ${count(this.#conflicts)}` : "all";
    if (hidden > 0) this.#say(`… and ${count(hidden)} more: --json tells of ${of}`);
    const told = [
      counted(created, "new run"),
      ...(known > 0 ? [`${count(known)} that were there already`] : []),
      ...(conflicts > 0 ? [counted(conflicts, "conflict")] : []),
      ...(bad > 0 ? [`${counted(bad, "invalid line")} left out`] : []),
    ];
    this.#say(told.join(", "));
    if (!isWhole) {
      this.#say(
        `baton: interrupted at ${count(created + known + conflicts)} of ${count(runs)} lines. What is in stays in: the same command goes on from there`,
      );
    }
    this.#terminal.out(`${id}\n`);
    if (unserved.length > 0) {
      const models = unserved.map(clean);
      const patterns = models.slice(0, 3).map((model) => `-m ${model}`);
      this.#say(
        `no live worker serves ${shorten(models.join(", "), 200)}: start one with \`baton worker ${patterns.join(" ")}\``,
      );
    }
    if (isWhole && this.#terminal.interactive) this.#say(`follow it with \`baton batch watch ${id}\``);
  }

  /** The first submission said when its runs start. */
  otherStart(runAt: number | undefined): void {
    const start = runAt === undefined ? "at once" : `at ${new Date(runAt).toISOString()}`;
    this.#say(`baton: --run-at is not taken: the batch was there already, and starts ${start}`);
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeSync(this.#file);
  }

  #json(value: object): void {
    this.#terminal.out(`${JSON.stringify(value)}\n`);
  }

  #say(line: string): void {
    this.#terminal.err(`${line}\n`);
  }
}
