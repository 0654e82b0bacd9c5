/**
 * What clients of the API went through, as they wrote it down (JSON lines in the folder of a chaos run) and as the judge
 * reads it. All times are milliseconds since 1970 of the one machine that everything runs on.
 */
import { z } from "zod";

/** How a job comes to the API: each by the client that people use for it. */
export const KINDS = [
  "chat",
  "chat_stream",
  "responses",
  "responses_stream",
  "dedalus",
  "dedalus_stream",
  "native",
  "events",
  "runner",
  "runner_stream",
  "batch",
  "mcp",
  "chat_tools",
  "responses_tools",
  "responses_chain",
  "rated",
  "crowded",
  "budgeted",
] as const;
export type Kind = (typeof KINDS)[number];

const at = z.number();

const outcomeSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("text"),
    text: z.string(),
    /** What came piece by piece, without what was withdrawn; absent: it came as a whole. */
    streamed: z.string().optional(),
  }),
  /** It ended with calls of the caller's own functions. */
  z.object({
    kind: z.literal("calls"),
    text: z.string(),
    streamed: z.string().optional(),
    calls: z.array(z.object({ id: z.string(), name: z.string(), arguments: z.string() })),
  }),
  /** The run ended without an answer; or the request was refused, and there is no run. */
  z.object({ kind: z.literal("refused"), code: z.string() }),
  /** The client lost its patience, or met what no client can do anything about. */
  z.object({ kind: z.literal("gave_up"), why: z.string() }),
]);
export type Outcome = z.infer<typeof outcomeSchema>;

/** What a client was told in the end of one job, or of a fork of one. */
export const answerSchema = z.object({
  at,
  endedAt: at,
  kind: z.enum(KINDS),
  mark: z.string(),
  /** Absent: this client is not told. */
  runId: z.string().optional(),
  isFork: z.boolean(),
  /** Requests that it took, as far as the job's code knows of them: clients send again by themselves, too. */
  asks: z.int(),
  /** Why it asked again, each reason once; for people. */
  causes: z.array(z.string()).optional(),
  outcome: outcomeSchema,
});
export type Answer = z.infer<typeof answerSchema>;

/** One HTTP answer, whoever asked; of a bounded key also a request that was not answered, with the status 0. */
export const exchangeSchema = z.object({
  at,
  ms: z.number(),
  method: z.string(),
  path: z.string(),
  status: z.int(),
  /** Of an error. */
  code: z.string().optional(),
  retryAfter: z.string().optional(),
  shouldRetry: z.string().optional(),
  /** The task whose bounded key was shown. */
  key: z.string().optional(),
});
export type Exchange = z.infer<typeof exchangeSchema>;

/** What a reader of events was sent, over all of its connections. */
export const watchedSchema = z.object({
  mark: z.string(),
  runId: z.string(),
  /** Asked for all from the beginning; else for what comes. */
  fromStart: z.boolean(),
  frames: z.array(
    z.object({
      connection: z.int(),
      id: z.string().optional(),
      event: z.string(),
      data: z.string(),
    }),
  ),
  /** Told that there is no more: by `end`, or by 204 behind it. */
  isEnded: z.boolean(),
});
export type Watched = z.infer<typeof watchedSchema>;

/** An event of a run as it stands in its stream; all of a run are in order. */
export interface Told {
  readonly runId: string;
  readonly id: string;
  readonly event: unknown;
}

/** A result that a reader of a batch's results was sent. */
export const lineSchema = z.object({
  batch: z.string(),
  customId: z.string(),
  runId: z.string(),
  status: z.string(),
  text: z.string().nullable(),
});
export type Line = z.infer<typeof lineSchema>;

/** An API process when nobody asks it for anything. */
export const idleSchema = z.object({
  api: z.string(),
  /** `start`: before the first client came; `end`: after the last one left. */
  when: z.enum(["start", "end"]),
  requestsOpen: z.number(),
  streamsOpen: z.number(),
  sockets: z.number(),
  rssMb: z.number(),
});
export type Idle = z.infer<typeof idleSchema>;

/** What a key is bound to: one of them. Each such key is a task's own, with a namespace of its own. */
export type Bound =
  | { readonly kind: "rpm"; readonly perMinute: number }
  | { readonly kind: "max_live"; readonly runs: number }
  | { readonly kind: "budget"; readonly tokens: number };

export interface Planned {
  readonly mark: string;
  readonly kind: Kind;
  readonly batch?: string;
  /** The mark of the job whose answer it goes on from; there is nothing to do when that one has none. */
  readonly after?: string;
  /** The task whose bounded key it is asked for with. */
  readonly key?: string;
}

export interface ApiStories {
  /** Of all jobs that were to be done, those of batches by line, those of conversations by link. */
  readonly planned: readonly Planned[];
  /** By the mark of their task. */
  readonly bounds: ReadonlyMap<string, Bound>;
  readonly answers: readonly Answer[];
  readonly exchanges: readonly Exchange[];
  readonly watched: readonly Watched[];
  readonly told: readonly Told[];
  readonly lines: readonly Line[];
  readonly idle: readonly Idle[];
  /** What the harness wondered at. */
  readonly notes: readonly string[];
}
