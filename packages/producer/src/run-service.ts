/**
 * What can be done with runs and batches, whoever does it: the producer on Redis is one such service, a client of the
 * HTTP API another, and one that is bound to a namespace a third. What is built on this works with all of them.
 */
import type { Producer } from "./producer.ts";

export type RunService = Pick<
  Producer,
  | "submit"
  | "fork"
  | "get"
  | "ownerOf"
  | "select"
  | "page"
  | "notice"
  | "conversation"
  | "watch"
  | "untilSettled"
  | "result"
  | "resultNow"
  | "cancel"
  | "pause"
  | "resume"
  | "retry"
  | "input"
  | "clientCalls"
  | "askedCalls"
  | "approve"
  | "reject"
  | "submitBatch"
  | "batch"
  | "batches"
  | "batchStatus"
  | "watchBatch"
  | "batchResults"
  | "batchErrors"
  | "setBatchBudget"
  | "changeBatch"
  | "cancelBatch"
  | "retryBatch"
  | "pools"
  | "pool"
  | "workers"
  | "pausePool"
  | "setPool"
  | "resumePool"
>;
