/**
 * Keeps this process' model calls within the limits of their providers' accounts, which all workers share through the
 * ledger. A call is booked by an estimate before it is made, and settled by what it took.
 *
 * - An account of which no limit is configured or known costs nothing: it is asked about once a window.
 * - A call for which there is room soon is booked and waits in its place. Otherwise the run comes back when there is room,
 *   and the pool takes no more runs until then, so that those who could only wait stay in the queue.
 * - While the ledger does not answer, accounts that nothing configured limits go on without it; the others wait for it.
 * - Limits that the provider tells are learned; a refusal without a word on limits halves what is asked of the account.
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  type BatonError,
  type Config,
  type IdSource,
  type ModelId,
  type ModelRequest,
  newClaimId,
  type RateLimitReport,
  type Usage,
} from "@baton/core";
import {
  type Amounts,
  DIMENSIONS,
  type Dimension,
  type Ledger,
  LIMIT_WINDOW_MS,
  type ReserveReply,
} from "@baton/store";
import type { Logger } from "pino";
import { answerInTime } from "./answer-in-time.ts";
import { amountsOf, estimateCall } from "./estimate-call.ts";
import { type LimitedAccount, type LimitedPool, LimitedPools, type SettingsOf } from "./limited-pools.ts";

export interface AccountLimitsOptions {
  readonly ledger: Pick<
    Ledger,
    "reserve" | "settle" | "moveCall" | "renewCalls" | "learnLimits" | "cutLimits"
  >;
  readonly config: Pick<Config, "providers" | "models">;
  /** Live settings of a pool: they go over the configuration. */
  readonly settings: SettingsOf;
  readonly ids: IdSource;
  readonly log: Logger;
  /** Called when a pool begins or ends to rest. */
  readonly onRest: () => void;
  /** Tests scale it; all who share a Redis must have the same. */
  readonly windowMs?: number | undefined;
}

/** What becomes of a call that wants to be made. */
export type Admission =
  /** `waited`: time has passed before its turn came. */
  | { readonly kind: "go"; readonly permit: Permit; readonly waited: boolean }
  /** There is room in `ms`: come back then. `limit` says of what there is none now. */
  | { readonly kind: "later"; readonly ms: number; readonly limit: string }
  | { readonly kind: "lost" };

/** A call that may be made. One of `settle`, `fail`, `abandon` and `withdraw` ends it. */
export interface Permit {
  /** The provider told its limits. */
  readonly learn: (report: RateLimitReport) => void;
  readonly settle: (usage: Usage) => void;
  /** `hasOutput`: something of the reply came in. Returns the pools that are refused, when it was a rate limit. */
  readonly fail: (error: BatonError, hasOutput: boolean) => readonly ModelId[];
  /** It was aborted: nobody knows what it took. */
  readonly abandon: () => void;
  /** It was not made. */
  readonly withdraw: () => void;
}

/** `unanswered`: the ledger does not answer, and nothing configured limits the call. `lost`: it was aborted. */
type Asked = ReserveReply | { readonly kind: "unanswered" | "lost" };

interface Booking {
  readonly reply: Asked;
  readonly askedAt: number;
}

/** A call is believed to be under way for so long without a word. */
const LEASE_MS = 10_000;
const RENEW_MS = 3_000;
/** How soon one looks again who waits for one of the calls at once to end elsewhere. */
const BUSY_LOOK_MS = 100;
/** How long an answer is waited for where the configuration limits nothing, and how long nobody asks then. */
const ANSWER_MS = 3_000;

const NOTHING: Amounts = { requests: 0, tokens: 0, inputTokens: 0, outputTokens: 0 };
const REQUEST_ALONE: Amounts = { ...NOTHING, requests: 1 };

const WORDS: Readonly<Record<Dimension, string>> = {
  requests: "requests a minute",
  tokens: "tokens a minute",
  inputTokens: "input tokens a minute",
  outputTokens: "output tokens a minute",
};

export class AccountLimits {
  readonly #options: AccountLimitsOptions;
  readonly #windowMs: number;
  /** Room that comes no later is booked and waited for in place: 2 s of a minute. */
  readonly #bookMs: number;
  readonly #pools: LimitedPools;
  readonly #writing = new Set<Promise<void>>();
  #isClosing = false;
  /** It was said that the ledger does not answer. */
  #isUnanswered = false;

  constructor(options: AccountLimitsOptions) {
    this.#options = options;
    this.#windowMs = options.windowMs ?? LIMIT_WINDOW_MS;
    this.#bookMs = Math.ceil(this.#windowMs / 30);
    this.#pools = new LimitedPools(options.config, options.settings);
  }

  /** Waits for room that comes soon. */
  async admit(request: ModelRequest, signal: AbortSignal): Promise<Admission> {
    const pool = this.#pools.of(request.model);
    const free = { kind: "go", waited: false, permit: this.#permit(pool, undefined) } as const;
    if (this.#now() < pool.freeUntil && !this.#pools.isLimited(pool)) return free;
    const call = newClaimId(this.#options.ids);
    const amounts = estimateCall(request, pool.output.expected);
    const booking = await this.#reserve(pool, call, amounts, signal);
    const { reply } = booking;
    switch (reply.kind) {
      case "free":
        pool.freeUntil = this.#now() + this.#windowMs;
        return free;
      case "unanswered":
        pool.freeUntil = this.#now() + ANSWER_MS;
        return free;
      case "lost":
        return { kind: "lost" };
      case "granted":
        return this.#begin(pool, call, { ms: reply.ms, at: booking.askedAt + reply.ms }, signal);
      case "busy": {
        if (signal.aborted) return { kind: "lost" };
        const ms = 2 * this.#bookMs;
        this.#rest(pool, amounts, ms);
        return { kind: "later", ms: this.#spread(ms), limit: `${pool.account.name}: calls at once` };
      }
      case "wait": {
        this.#rest(pool, amounts, reply.ms);
        const { bucket, dimension } = reply.limit;
        return { kind: "later", ms: this.#returnIn(reply.ms), limit: `${bucket}: ${WORDS[dimension]}` };
      }
    }
  }

  /** Whether a pool is to take no more runs: those that it has wait for their provider's limit. */
  isResting(pool: ModelId): boolean {
    return this.#pools.find(pool)?.rest !== undefined;
  }

  /** Looks for room no more, and resolves when all is written. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const pool of this.#pools.all) {
      clearTimeout(pool.rest);
      clearInterval(pool.account.renewing);
    }
    while (this.#writing.size > 0) await Promise.all(this.#writing);
  }

  /** The call is booked; waits for its time. */
  async #begin(
    pool: LimitedPool,
    call: string,
    { ms, at }: { readonly ms: number; readonly at: number },
    signal: AbortSignal,
  ): Promise<Admission> {
    this.#hold(pool.account, call);
    const permit = this.#permit(pool, call);
    if (ms > 0) await delay(ms, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) {
      permit.withdraw();
      return { kind: "lost" };
    }
    // Windows of slots are longer than real ones by a slot at least: so late a call may be, and no later.
    if (this.#now() - at > this.#windowMs / 120) {
      const { account, model } = pool;
      this.#write(() =>
        this.#options.ledger.moveCall({ account: account.name, model, call, windowMs: this.#windowMs }),
      );
    }
    return { kind: "go", permit, waited: ms > 0 };
  }

  /** Those who wait for a call to end stand in line, so that one of them asks and not all. */
  async #reserve(pool: LimitedPool, call: string, amounts: Amounts, signal: AbortSignal): Promise<Booking> {
    const { account } = pool;
    let askedAt = this.#now();
    if (account.concurrent === undefined) {
      return { reply: await this.#ask(pool, call, amounts, signal), askedAt };
    }
    const before = account.line;
    const { promise: mine, resolve: leave } = Promise.withResolvers<void>();
    // Without its value, which would hold that of the one before it, and so on for ever.
    account.line = Promise.all([before, mine]).then(() => undefined);
    const patience = AbortSignal.any([signal, AbortSignal.timeout(this.#bookMs)]);
    try {
      await answerInTime(before, { signal: patience });
      while (!patience.aborted) {
        const { promise: woken, resolve: wake } = Promise.withResolvers<void>();
        account.wake = wake;
        askedAt = this.#now();
        const reply = await this.#ask(pool, call, amounts, signal);
        if (reply.kind !== "busy") return { reply, askedAt };
        await answerInTime(woken, { signal: patience, withinMs: BUSY_LOOK_MS });
      }
      return { reply: { kind: "busy" }, askedAt };
    } finally {
      leave();
    }
  }

  /** Waits for the ledger's answer, but where nothing configured limits the pool no longer than a moment. */
  async #ask(
    pool: LimitedPool,
    call: string | undefined,
    amounts: Amounts,
    signal?: AbortSignal,
  ): Promise<Asked> {
    const { ledger, log } = this.#options;
    const { account, model } = pool;
    const windowMs = this.#windowMs;
    const asking = ledger.reserve({
      account: account.name,
      model,
      call,
      amounts,
      windowMs,
      bookMs: this.#bookMs,
      leaseMs: LEASE_MS,
      accountLimits: account.dimensions,
      concurrent: account.concurrent,
      poolLimits: this.#pools.limitsOf(pool),
    });
    const withinMs = this.#pools.isLimited(pool) ? undefined : ANSWER_MS;
    const result = await answerInTime(asking, { signal, withinMs });
    if (result.kind === "answered") {
      this.#isUnanswered = false;
      return result.answer;
    }
    if (call !== undefined) {
      // What is booked after all is given back.
      const settle = { account: account.name, model, call, amounts: NOTHING, windowMs };
      this.#write(async () => {
        if ((await asking).kind === "granted") await ledger.settle(settle);
      });
    }
    if (result.kind === "aborted") return { kind: "lost" };
    if (!this.#isUnanswered) log.warn("provider limits do not answer; only what is configured is waited for");
    this.#isUnanswered = true;
    return { kind: "unanswered" };
  }

  #permit(pool: LimitedPool, call: string | undefined): Permit {
    let isToldLimits = false;
    return {
      learn: (report) => {
        isToldLimits = true;
        this.#learn(pool, report);
      },
      settle: (usage) => {
        const isTold = usage.inputTokens + usage.outputTokens > 0;
        if (isTold) pool.output.add(usage.outputTokens);
        this.#settle(pool, call, isTold ? amountsOf(usage) : undefined);
      },
      fail: (error, hasOutput) => {
        this.#settle(pool, call, isUnknownCost(error, hasOutput) ? undefined : REQUEST_ALONE);
        if (error.code !== "provider_rate_limited") return [];
        // Limits in the headers are those of one model; a bare refusal may be meant for the whole account.
        if (isToldLimits) return [pool.id];
        this.#cut(pool.account);
        return this.#pools.ofAccount(pool.account).map(({ id }) => id);
      },
      abandon: () => this.#settle(pool, call, undefined),
      withdraw: () => this.#settle(pool, call, NOTHING),
    };
  }

  /** Until it is settled the call is under way; where those are bounded, that is said again and again. */
  #hold(account: LimitedAccount, call: string): void {
    account.calls.add(call);
    if (account.concurrent === undefined || account.renewing !== undefined) return;
    const renew = () => this.#options.ledger.renewCalls(account.name, LEASE_MS, [...account.calls]);
    account.renewing = setInterval(() => this.#write(renew), RENEW_MS);
  }

  #settle({ account, model }: LimitedPool, call: string | undefined, amounts: Amounts | undefined): void {
    if (call === undefined || !account.calls.delete(call)) return;
    if (account.calls.size === 0) {
      clearInterval(account.renewing);
      account.renewing = undefined;
    }
    this.#write(async () => {
      const { ledger } = this.#options;
      await ledger.settle({ account: account.name, model, call, amounts, windowMs: this.#windowMs });
      if (account.concurrent === undefined) return;
      account.wake?.();
      if (this.#isClosing) return;
      for (const pool of this.#pools.ofAccount(account)) if (pool.rest !== undefined) this.#lookIn(pool, 0);
    });
  }

  /** What changed at all is written, and what is left now and then, more often when there is little. */
  #learn(pool: LimitedPool, report: RateLimitReport): void {
    const limits = JSON.stringify(DIMENSIONS.map((dimension) => report[dimension]?.limit));
    const isPlenty = DIMENSIONS.every((dimension) => {
      const { limit = 0, remaining = limit } = report[dimension] ?? {};
      return remaining * 2 >= limit;
    });
    const sinceMs = this.#now() - pool.learnedAt;
    if (limits === pool.learned && sinceMs < this.#windowMs / (isPlenty ? 4 : 240)) return;
    pool.learned = limits;
    pool.learnedAt = this.#now();
    pool.freeUntil = 0;
    const { account, model } = pool;
    this.#write(() =>
      this.#options.ledger.learnLimits({ account: account.name, model, report, windowMs: this.#windowMs }),
    );
  }

  /** One refusal alone may be anything; an account that is asked too much refuses in crowds. */
  #cut(account: LimitedAccount): void {
    const now = this.#now();
    const isCrowd = now - account.refusedAt < this.#windowMs / 12;
    account.refusedAt = now;
    if (!isCrowd) return;
    for (const pool of this.#pools.ofAccount(account)) pool.freeUntil = 0;
    this.#write(() => this.#options.ledger.cutLimits(account.name, this.#windowMs));
  }

  /** The pool takes no more runs until there may be room for one. */
  #rest(pool: LimitedPool, amounts: Amounts, ms: number): void {
    // The smallest that waits tells when something may go on.
    if (pool.asked === undefined || amounts.tokens < pool.asked.tokens) pool.asked = amounts;
    if (pool.rest !== undefined || this.#isClosing) return;
    this.#lookIn(pool, ms);
    this.#options.onRest();
  }

  #lookIn(pool: LimitedPool, ms: number): void {
    clearTimeout(pool.rest);
    // Calls that take less than was booked make room earlier than was told.
    const inMs = Math.min(Math.max(ms - this.#bookMs, this.#bookMs / 10), this.#bookMs);
    pool.rest = setTimeout(() => this.#write(() => this.#look(pool)), inMs);
  }

  /** Whether the smallest call that waits would be booked now. */
  async #look(pool: LimitedPool): Promise<void> {
    let ms = 2 * this.#bookMs;
    try {
      const reply = await this.#ask(pool, undefined, pool.asked ?? REQUEST_ALONE);
      if (reply.kind === "granted" || reply.kind === "free" || reply.kind === "unanswered") ms = 0;
      if (reply.kind === "wait") ms = Math.max(reply.ms, this.#bookMs + 1);
    } finally {
      if (ms > 0) {
        if (!this.#isClosing) this.#lookIn(pool, ms);
      } else {
        pool.rest = undefined;
        pool.asked = undefined;
        this.#options.onRest();
      }
    }
  }

  /** A run comes back a little early, to be there when its room is; those for whom none is in sight come spread. */
  #returnIn(ms: number): number {
    return ms < this.#windowMs ? Math.max(1, Math.ceil(ms - this.#bookMs / 2)) : this.#spread(ms);
  }

  #spread(ms: number): number {
    const [byte = 0] = this.#options.ids.random(1);
    return Math.ceil(ms * (1 + byte / 512));
  }

  #now(): number {
    return this.#options.ids.now();
  }

  /** Nobody waits for it: what fails is told, and the count is off by one call until the window is over. */
  #write(work: () => Promise<void>): void {
    const writing = work()
      .catch((error: unknown) =>
        this.#options.log.warn({ err: error }, "a provider's limits could not be kept"),
      )
      .finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }
}

/** Whether tokens may have been spent on a call that failed. */
function isUnknownCost({ code }: BatonError, hasOutput: boolean): boolean {
  return hasOutput || code === "provider_timeout" || code === "provider_protocol";
}
