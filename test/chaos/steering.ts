/**
 * What people do to runs while they are at work, by the plan of each job: some are cancelled, some paused and
 * resumed, those that failed are mostly retried. What was accepted is written down.
 */
import { BatonError } from "@baton/core";
import type { Producer } from "@baton/producer";
import { writeLine } from "./files.ts";
import type { Act } from "./history.ts";
import { jobOfMark } from "./jobs.ts";
import type { SeenRun } from "./observer.ts";
import { fractionOf } from "./random.ts";

const RETRIES_MAX = 2;

interface Steered {
  readonly did: Act["did"][];
  isBusy: boolean;
  /** When it was first seen to wait, in milliseconds since 1970. */
  waitingSince: number | undefined;
}

export class Steering {
  readonly #producer: Producer;
  readonly #folder: string;
  readonly #runs = new Map<string, Steered>();
  readonly #acts = new Set<Promise<void>>();
  #isClosing = false;

  constructor(producer: Producer, folder: string) {
    this.#producer = producer;
    this.#folder = folder;
  }

  /** From now on nothing is cancelled or paused any more, and what waits goes on at once. */
  close(): void {
    this.#isClosing = true;
  }

  async settled(): Promise<void> {
    await Promise.all(this.#acts);
  }

  look(run: SeenRun): void {
    const steered = this.#runs.get(run.mark) ?? { did: [], isBusy: false, waitingSince: undefined };
    this.#runs.set(run.mark, steered);
    const act = steered.isBusy ? undefined : this.#actOn(run, steered);
    if (act === undefined) return;
    steered.isBusy = true;
    const done = this.#do(run, act, steered).finally(() => {
      steered.isBusy = false;
      this.#acts.delete(done);
    });
    this.#acts.add(done);
  }

  #actOn(run: SeenRun, steered: Steered): Act["did"] | undefined {
    const { mark, status, startedAt } = run;
    const { act } = jobOfMark(mark);
    const count = (did: Act["did"]): number => steered.did.filter((one) => one === did).length;
    if (status !== "waiting") steered.waitingSince = undefined;
    switch (status) {
      case "queued":
      case "running":
        if (act === undefined || this.#isClosing || count(act.kind) > 0 || startedAt === undefined)
          return undefined;
        return Date.now() - startedAt >= act.afterMs ? act.kind : undefined;
      case "waiting": {
        steered.waitingSince ??= Date.now();
        const restMs = act?.kind === "pause" && !this.#isClosing ? act.restMs : 0;
        return Date.now() - steered.waitingSince >= restMs ? "resume" : undefined;
      }
      case "failed": {
        const retries = count("retry");
        return retries < RETRIES_MAX && fractionOf(mark, "retry", retries) < 0.8 ? "retry" : undefined;
      }
      case "cancelled":
        return act?.kind === "cancel" && act.retried && count("retry") === 0 ? "retry" : undefined;
      case "succeeded":
        return undefined;
    }
  }

  async #do({ id, mark }: SeenRun, did: Act["did"], steered: Steered): Promise<void> {
    try {
      await this.#producer[did](id);
      steered.did.push(did);
      const act: Act = { at: Date.now(), mark, did };
      writeLine(this.#folder, "acts", act);
    } catch (error) {
      // It went on in the meantime.
      if (error instanceof BatonError && ["not_possible", "conflict", "not_found"].includes(error.code))
        return;
      writeLine(this.#folder, "notes", { at: Date.now(), note: `${did} of ${id} broke: ${String(error)}` });
    }
  }
}
