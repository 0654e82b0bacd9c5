/**
 * What a chaos run leaves behind, as the checker judges it: the ledger at the end, what was seen of it meanwhile,
 * what the simulated providers sold, what producers were told, and what was broken when. Plain data, written by the
 * harness (JSON lines in its folder) and read by the checker, so that a history can be judged again later.
 * All times are milliseconds since 1970 of the one machine that everything runs on.
 */
import type { Item, Run, RunSpec } from "@baton/core";

/** One request that a provider got. A reply was sold when its last byte was sent; a fault sells nothing. */
export interface Purchase {
  readonly at: number;
  /** When the reply's last byte was sent; absent: it never was whole. */
  readonly soldAt?: number;
  readonly api: "openai-responses" | "openai-chat" | "anthropic-messages";
  readonly model: string;
  /** The run's mark, which stands in its input and so in each of its requests. */
  readonly mark: string;
  /** Replies of models that the request's conversation held already: the place in the run that was bought. */
  readonly replies: number;
  /** A number that stands in the text or the tool call of the reply and in no other. */
  readonly nonce: string;
  readonly fault?: string;
  /** Why a strict reader of this API would refuse the request; the simulated provider answers 400 then. */
  readonly invalid?: string;
}

/** A tool call as the MCP server saw it. */
export interface ToolRun {
  readonly at: number;
  readonly mark: string;
  readonly tool: string;
  /** The idempotency key of the call, from `_meta`. */
  readonly key: string;
  readonly endedAt?: number;
}

/** What a producer did: `asked` before the call, `accepted` when it was told the run's id. */
export interface Submission {
  readonly at: number;
  readonly pid: number;
  readonly mark: string;
  readonly idempotencyKey: string;
  readonly did: "asked" | "accepted";
  readonly runId?: string;
}

/** The length of a run's log and a digest of its items, seen while it ran. */
export interface LogSample {
  /** When the reply came, never before it was asked for: what is in the sample is not younger than this. */
  readonly at: number;
  readonly runId: string;
  readonly epoch: number;
  readonly ticket: number;
  readonly status: string;
  /** One digest for each item, by `digestOf` of check-digest.ts: it is compared with the log at the end. */
  readonly digests: readonly string[];
}

/** An entry of a run's event stream: its id holds Redis' own time of the write. */
export interface SeenEvent {
  readonly runId: string;
  readonly id: string;
  readonly event: unknown;
}

export interface Fault {
  readonly at: number;
  /** When it was over: a frozen process woken, Redis back, a network healed. */
  readonly endedAt?: number;
  readonly kind: string;
  /** Which process or connection was hit; `redis` stands for Redis itself, which touches every run. */
  readonly target: string;
  /** Model calls that were in flight at the processes that it hit, as the providers saw it. */
  readonly inFlight: number;
  /** Runs that the target held, by mark. */
  readonly held: readonly string[];
  /** Redis lost its last writes at this fault: what was acknowledged before may be gone (R5). */
  readonly losesWrites?: boolean;
  /** What survived such a loss ends here, by Redis' own clock. */
  readonly survivedUntil?: number;
}

/** What the harness asked of a run from outside, told once it was accepted. */
export interface Act {
  readonly at: number;
  readonly mark: string;
  readonly did: "cancel" | "pause" | "resume" | "retry";
}

export interface EndedRun {
  readonly mark: string;
  readonly run: Run;
  readonly spec: RunSpec;
  readonly items: readonly Item[];
}

export interface History {
  readonly seed: number;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly submissions: readonly Submission[];
  readonly purchases: readonly Purchase[];
  readonly toolRuns: readonly ToolRun[];
  readonly samples: readonly LogSample[];
  readonly events: readonly SeenEvent[];
  readonly faults: readonly Fault[];
  /** Absent: not told; then a run that waits as paused is lost, and acts are not compared with what took effect. */
  readonly acts?: readonly Act[];
  /** Every run that the ledger has at the end, terminal or not. */
  readonly runs: readonly EndedRun[];
  /** Where R9 looks: every string that Redis held at the end and every line that was logged, by where it was. */
  readonly texts: readonly { readonly where: string; readonly text: string }[];
  /** The secrets that must not be in them. */
  readonly secrets: readonly string[];
}

/** One thing that must not be, by the invariant that it breaks. */
export interface Violation {
  readonly invariant: "R1" | "R2" | "R3" | "R4" | "R5" | "R6" | "R7" | "R8" | "R9" | "conversation" | "lost";
  readonly runId: string;
  readonly what: string;
}
