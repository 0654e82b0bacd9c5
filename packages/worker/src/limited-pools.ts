/**
 * What this process knows of the pools whose calls may be limited, and of the accounts that they belong to: which limits
 * the configuration and live settings name, what replies take, and what their providers said.
 */
import {
  type AccountLimitsConfig,
  type Config,
  type ModelId,
  type ModelLimitsConfig,
  splitModelId,
} from "@baton/core";
import type { Amounts, DimensionLimits, PoolSettings } from "@baton/store";
import { OutputAverage } from "./estimate-call.ts";

export interface LimitedAccount {
  readonly name: string;
  readonly dimensions: DimensionLimits;
  /** Calls at once. */
  readonly concurrent: number | undefined;
  /** Calls of this process that are booked and not settled. */
  readonly calls: Set<string>;
  /** Resolves when nobody in this process waits any more for one of the calls at once. */
  line: Promise<unknown>;
  /** Called when a call of this process ends: wakes the first of the line. */
  wake: (() => void) | undefined;
  renewing: NodeJS.Timeout | undefined;
  /** When a call of this process was refused last without a word on limits, in milliseconds. */
  refusedAt: number;
}

export interface LimitedPool {
  readonly id: ModelId;
  readonly account: LimitedAccount;
  /** The model's name at the provider. */
  readonly model: string;
  readonly configured: DimensionLimits;
  readonly output: OutputAverage;
  /** Nothing limits it, and until then nobody asks again. */
  freeUntil: number;
  /** The limits that its provider told last, and when they were written. */
  learned: string;
  learnedAt: number;
  /** The smallest call that waits. */
  asked: Amounts | undefined;
  /** Set while the pool takes no more runs. */
  rest: NodeJS.Timeout | undefined;
}

export type SettingsOf = (pool: ModelId) => Pick<PoolSettings, "rpm" | "tpm">;

export class LimitedPools {
  readonly #config: Pick<Config, "providers" | "models">;
  readonly #settings: SettingsOf;
  readonly #pools = new Map<ModelId, LimitedPool>();
  readonly #accounts = new Map<string, LimitedAccount>();

  constructor(config: Pick<Config, "providers" | "models">, settings: SettingsOf) {
    this.#config = config;
    this.#settings = settings;
  }

  of(id: ModelId): LimitedPool {
    const known = this.#pools.get(id);
    if (known !== undefined) return known;
    const { provider, model } = splitModelId(id);
    const pool: LimitedPool = {
      id,
      model,
      account: this.#accountOf(this.#accountNameOf(provider)),
      configured: dimensionsOf(this.#config.models[id]?.limits ?? {}),
      output: new OutputAverage(),
      freeUntil: 0,
      learned: "",
      learnedAt: 0,
      asked: undefined,
      rest: undefined,
    };
    this.#pools.set(id, pool);
    return pool;
  }

  /** The pool, if it was ever asked for. */
  find(id: ModelId): LimitedPool | undefined {
    return this.#pools.get(id);
  }

  get all(): readonly LimitedPool[] {
    return [...this.#pools.values()];
  }

  /** Those that were asked for. */
  ofAccount(account: LimitedAccount): readonly LimitedPool[] {
    return this.all.filter((pool) => pool.account === account);
  }

  /** Of the pool alone: what was set live goes over the configuration. */
  limitsOf({ id, configured }: LimitedPool): DimensionLimits {
    const { rpm, tpm } = this.#settings(id);
    return rpm === undefined && tpm === undefined
      ? configured
      : { ...configured, ...dimensionsOf({ rpm, tpm }) };
  }

  /** Whether the configuration or a live setting limits the pool or its account. */
  isLimited(pool: LimitedPool): boolean {
    const { dimensions, concurrent } = pool.account;
    return concurrent !== undefined || isAny(dimensions) || isAny(this.limitsOf(pool));
  }

  #accountNameOf(provider: string): string {
    const { providers } = this.#config;
    return (Object.hasOwn(providers, provider) ? providers[provider]?.account : undefined) ?? provider;
  }

  /** Of several providers with one account, each may say some of its limits. */
  #accountOf(name: string): LimitedAccount {
    const known = this.#accounts.get(name);
    if (known !== undefined) return known;
    const limits: AccountLimitsConfig = {};
    for (const [provider, config] of Object.entries(this.#config.providers)) {
      if ((config.account ?? provider) === name) Object.assign(limits, config.limits);
    }
    const account: LimitedAccount = {
      name,
      dimensions: dimensionsOf(limits),
      concurrent: limits.concurrent,
      calls: new Set(),
      line: Promise.resolve(),
      wake: undefined,
      renewing: undefined,
      refusedAt: Number.NEGATIVE_INFINITY,
    };
    this.#accounts.set(name, account);
    return account;
  }
}

function isAny(limits: DimensionLimits): boolean {
  for (const _ in limits) return true;
  return false;
}

function dimensionsOf({ rpm, tpm, itpm, otpm }: ModelLimitsConfig): DimensionLimits {
  return {
    ...(rpm === undefined ? {} : { requests: rpm }),
    ...(tpm === undefined ? {} : { tokens: tpm }),
    ...(itpm === undefined ? {} : { inputTokens: itpm }),
    ...(otpm === undefined ? {} : { outputTokens: otpm }),
  };
}
