export type { ApprovalOptions, RejectOptions } from "./approvals.ts";
export {
  BatchControl,
  type RetryBatchOptions,
} from "./batch/batch-control.ts";
export { checkBatchId } from "./batch/batch-key.ts";
export type { BadLine, BatchLine, SpecDefaults } from "./batch/batch-line.ts";
export type { BatchErrorLine, BatchResultsOptions } from "./batch/batch-results.ts";
export type { BatchFilter, BatchStatus } from "./batch/batch-status.ts";
export { type WireBatch, wireBatch } from "./batch/batch-wire.ts";
export { type BatchCheck, batchIdOf, type CheckOptions, checkBatch, hashing } from "./batch/check-batch.ts";
export { LINE_BYTES_MAX, type ReadBatchOptions, readBatchLines } from "./batch/read-batch-lines.ts";
export type { BatchSubmission, LineConflict, SubmitBatchOptions } from "./batch/submit-batch.ts";
export { type ConnectedProducer, type ConnectOptions, connectProducer } from "./connect-producer.ts";
export { firstItems, userItem } from "./first-items.ts";
export type { ForkOptions } from "./fork-run.ts";
export type {
  LocalFunctionTool,
  PlainFunctionTool,
  RunnerTool,
  ToolDefinitionParam,
  ToolParameters,
} from "./local-tools.ts";
export { messagesOf } from "./messages-of.ts";
export * from "./producer.ts";
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
  type Done,
  doOne,
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
export type { RunFilter } from "./select-runs.ts";
