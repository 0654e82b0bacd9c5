/** What the flow of a phase is given: everything outside it, as interfaces, so that tests can stand between. */
import type { AdapterLookup, Config, IdSource, ModelId, ToolHost, Usage } from "@baton/core";
import type { Ledger } from "@baton/store";
import type { Logger } from "pino";
import type { AccountLimits } from "./account-limits.ts";
import type { ClaimKeeper } from "./claim-keeper.ts";
import type { ClaimRefusals } from "./claim-refusals.ts";
import type { EventWriter } from "./event-writer.ts";
import type { LiveSettings } from "./live-settings.ts";
import type { EnqueueNext } from "./phase-session.ts";
import type { PoolHolds } from "./pool-holds.ts";
import type { Signals } from "./signals.ts";

export interface WorkerDeps {
  readonly ledger: Pick<Ledger, "claim" | "append" | "commit" | "hold">;
  readonly enqueue: EnqueueNext;
  readonly claims: Pick<ClaimKeeper, "hold">;
  /** What Redis refuses to claim. */
  readonly refusals: Pick<ClaimRefusals, "refused" | "answered" | "isResting">;
  readonly events: EventWriter;
  readonly holds: PoolHolds;
  /** What was set live, for each pool. */
  readonly settings: Pick<LiveSettings, "of">;
  /** What providers' accounts allow. */
  readonly limits: Pick<AccountLimits, "admit" | "isResting">;
  readonly adapters: AdapterLookup;
  readonly tools: ToolHost;
  /** USD of a call, or null when the price of the model is not known. */
  readonly price: (model: ModelId, usage: Usage) => number | null;
  readonly config: Pick<Config, "limits" | "models" | "policies">;
  /** What this worker has, in the words of a run's needs: `server:<slug>`, `function:<name>`, `policy:<name>`. */
  readonly capabilities: ReadonlySet<string>;
  readonly signals: Signals;
  readonly ids: IdSource;
  readonly log: Logger;
}
