export type { Admission, AdmissionOptions } from "./admission.ts";
export type { ApprovalOptions, RejectOptions } from "./approvals.ts";
export {
  type BatchChange,
  BatchControl,
  type RetryBatchOptions,
} from "./batch/batch-control.ts";
export { checkBatchId } from "./batch/batch-key.ts";
export type { BadLine, BatchLine, SpecDefaults } from "./batch/batch-line.ts";
export type { BatchErrorLine, BatchResultLine, BatchResultsOptions } from "./batch/batch-results.ts";
export type { BatchFilter, BatchStatus } from "./batch/batch-status.ts";
export { batchOfWire, type WireBatch, wireBatch, wireBatchSchema } from "./batch/batch-wire.ts";
export { type BatchCheck, batchIdOf, type CheckOptions, checkBatch, hashing } from "./batch/check-batch.ts";
export { type TranslatedFields, translateFields } from "./batch/openai-body.ts";
export {
  CHAT_FIELDS,
  type FieldTable,
  RESPONSES_FIELDS,
  type TranslateField,
} from "./batch/openai-fields.ts";
export { LINE_BYTES_MAX, type ReadBatchOptions, readBatchLines } from "./batch/read-batch-lines.ts";
export { responsesInput } from "./batch/responses-input.ts";
export type { Body, Draft, Misfit } from "./batch/spec-draft.ts";
export type { BatchSubmission, LineConflict, SubmitBatchOptions } from "./batch/submit-batch.ts";
export {
  type ConnectedProducer,
  type ConnectedServer,
  type ConnectOptions,
  type ConnectServerOptions,
  connectProducer,
} from "./connect-producer.ts";
export { type Done, doOne, eachRun } from "./each-run.ts";
export { firstItems, messageItems, userItem } from "./first-items.ts";
export type { ForkOptions } from "./fork-run.ts";
export type {
  LocalFunctionTool,
  PlainFunctionTool,
  RunnerTool,
  ToolDefinitionParam,
  ToolParameters,
} from "./local-tools.ts";
export { messagesOf } from "./messages-of.ts";
export type { RunFilter, RunPage, RunPageQuery } from "./page-runs.ts";
export type { Headroom, PoolHold, PoolView } from "./pool-views.ts";
export * from "./producer.ts";
export { CONVERSATION_PAGE_BYTES, readReplies } from "./read-result.ts";
export * from "./remote/index.ts";
export type { ParseableFormat, ResponseFormatParam } from "./response-format.ts";
export {
  type ChunkDelta,
  type Chunker,
  type ChunkToolCall,
  type ChunkUsage,
  createChunker,
  type RunChunk,
  textOfChunks,
} from "./run-chunks.ts";
export {
  type ProducerOptions,
  type ResumeOptions,
  type RetryOptions,
  RunControl,
} from "./run-control.ts";
export { type RunInput, runInputSchema } from "./run-input.ts";
export type { RunnerLog } from "./run-log.ts";
export type { FollowParams, ModelParam, PhaseParams, RunParams, SettingsParams } from "./run-params.ts";
export type { RunService } from "./run-service.ts";
export { RunStream } from "./run-stream.ts";
export { Runner, type RunnerOptions } from "./runner.ts";
export type { PendingToolCall, RunnerResult, RunnerToolResult } from "./runner-result.ts";
export * from "./wire-pool.ts";
