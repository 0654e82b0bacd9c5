/**
 * One of all processes reconciles: the one that holds a lease in Redis, renewed with each turn. It is an economy and
 * no lock: every step of healing compares what it saw before it changes anything, so two leaders for a moment (a
 * process that was frozen past its lease) do no harm.
 */
import { z } from "zod";
import { reconcilerKeys } from "./keys.ts";
import type { RunScript } from "./scripts.ts";

/** Three turns: one that is lost or late does not move the lead. */
export const LEASE_MS = 3_000;

export interface Lead {
  readonly leads: boolean;
  /** Redis' own time, in milliseconds: the ledger's times are compared with it and with no host's. */
  readonly now: number;
}

const replySchema = z.tuple([z.enum(["leads", "follows", "released"]), z.coerce.number(), z.string()]);

export class Leader {
  readonly #run: RunScript;
  readonly #holder: string;
  readonly #key: string;
  #leads = false;

  /** Each shard has a leader of its own. */
  constructor(run: RunScript, holder: string, shard = 0) {
    this.#run = run;
    this.#holder = holder;
    this.#key = reconcilerKeys(shard).leader;
  }

  /** As of the last turn. */
  get leads(): boolean {
    return this.#leads;
  }

  /** Takes the lead or keeps it, unless another process has it. */
  async hold(): Promise<Lead> {
    const [did, now] = await this.#call(LEASE_MS);
    this.#leads = did === "leads";
    return { leads: this.#leads, now };
  }

  /** Gives the lead back, so that another process takes it at its next turn. */
  async release(): Promise<void> {
    if (!this.#leads) return;
    this.#leads = false;
    await this.#call(0);
  }

  async #call(leaseMs: number) {
    return replySchema.parse(await this.#run("lead", [this.#key], [this.#holder, String(leaseMs)]));
  }
}
