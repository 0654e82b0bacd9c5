export {
  type AbortCause,
  ClaimAborted,
  ClaimKeeper,
  type ClaimKeeperOptions,
  HeldClaim,
  type HeldJob,
} from "./claim-keeper.ts";
export { decide, type Step, type View } from "./decide.ts";
export { EventWriter } from "./event-writer.ts";
export { Housekeeper } from "./housekeeper.ts";
export { ModelWorker, type ModelWorkerOptions } from "./model-worker.ts";
export { LOCK_MS } from "./pool-worker.ts";
export { type JobVerdict, runPhase } from "./run-phase.ts";
export * from "./signals.ts";
export type { WorkerDeps } from "./worker-deps.ts";
