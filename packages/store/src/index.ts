export {
  type Amounts,
  type BucketUse,
  DIMENSIONS,
  type Dimension,
  type DimensionLimits,
  type DimensionUse,
  LIMIT_WINDOW_MS,
  type Reserve,
  type ReserveReply,
  type Settle,
} from "./account-limits.ts";
export { checkKeys, readStoreKeys, type StoreKey } from "./agree-on-keys.ts";
export { isDiskRefusal, whyUnusable } from "./answers.ts";
export { apiKeyIdOf, isSameKey } from "./api-key-text.ts";
export {
  API_KEY_SCOPES,
  type ApiKeyRecord,
  type ApiKeyScope,
  type ApiKeys,
  type KnownApiKeys,
  type NewApiKeyGrant,
  openApiKeys,
  type Taken,
} from "./api-keys.ts";
export { BatchBudgets } from "./batch-budgets.ts";
export { BATCH_GROUPS, type BatchGroup, type BatchPage, type BatchPageOptions } from "./batch-page.ts";
export {
  BATCH_ID,
  type Batch,
  type BatchCounts,
  type BatchEndings,
  checkBatchWeight,
  type OpenBatch,
} from "./batches.ts";
export type { BeatReply, LostClaim, WorkerBeat } from "./beat.ts";
export { type Cipher, type CipherOptions, cipherOf } from "./cipher.ts";
export type { BatchState, Claim, Claimed, ClaimReply } from "./claim-run.ts";
export { SCHEMA_VERSION } from "./claim-run.ts";
export { type ConnectedStore, type ConnectStoreOptions, connectStore } from "./connect-store.ts";
export * from "./connection.ts";
export type { Answer, ControlReply, Retry, Seen } from "./control-run.ts";
export { type CreateReply, type CreateRun, conflictError, type QueueEntry } from "./create-run.ts";
export { type EncryptionKey, parseEncryptionKeys } from "./encryption-keys.ts";
export { EventHub, HintSubscription } from "./event-hub.ts";
export { Feeder, type FeederOptions, type FeedReport } from "./feeder.ts";
export { FreshAnswers } from "./fresh-answers.ts";
export { type Heal, type Healed, type HealKind, type Health, readHealth } from "./heal-log.ts";
export type { Hold } from "./hold-pool.ts";
export { queueNameOf, runKeys, shardKeys } from "./keys.ts";
export * from "./ledger.ts";
export { unpackLog } from "./log-pack.ts";
export type { NewestPage, NewestRuns } from "./newest-runs.ts";
export { type PoolAdmission, readPoolAdmission } from "./pool-admission.ts";
export { type PoolFacts, type PoolSource, readPoolFacts } from "./pool-facts.ts";
export type { PoolLoad } from "./pool-load.ts";
export * from "./pool-queues.ts";
export type { PoolSettings, PoolSettingsPatch, SettingsRevision } from "./pool-settings.ts";
export { poolSettingsSchema } from "./pool-settings.ts";
export type { RunGlance, RunWithSpec } from "./read-run.ts";
export * from "./reconciler.ts";
export { isFaultOfRecord } from "./record-fault.ts";
export { type RedisClient, timeAt } from "./redis-client.ts";
export * from "./registry.ts";
export { addCosts, type PricedUsage, type Tries } from "./run-record.ts";
export { onShards, readShards } from "./shards.ts";
export { type AskRoom, type HeldRoom, type Late, NO_ROOM, ROOM_LEASE_MS } from "./space-room.ts";
export { checkNamespace, NAMESPACE, type SpaceCounts, type SpaceUsage } from "./spaces.ts";
export { checkRedis, type RedisFitness } from "./startup-check.ts";
export { type WatchOptions, type WatchSource, watchRun } from "./watch-run.ts";
export type {
  Append,
  AppendReply,
  Commit,
  CommitReply,
  Fenced,
  Outcome,
  WrittenTurn,
} from "./write-claim.ts";
