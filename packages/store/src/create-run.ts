/** `create`: a run comes into being with its first items, or is found by its idempotency key (R8). */
import { hash } from "node:crypto";
import {
  BatonError,
  type Item,
  type ModelId,
  modelIdSchema,
  type RunId,
  type RunSpec,
  runIdSchema,
  withoutInput,
} from "@baton/core";
import { z } from "zod";
import { runKeys } from "./keys.ts";
import type { RunScript } from "./scripts.ts";

export interface CreateRun {
  readonly id: RunId;
  readonly spec: RunSpec;
  readonly items: readonly Item[];
  readonly pool: ModelId;
  /** What a worker must have: `server:<slug>`, `function:<name>`, `policy:<name>`. */
  readonly needs: readonly string[];
  /** Milliseconds from now at which the run may start; 0 for at once. */
  readonly delayMs: number;
  /** Milliseconds from now until the run fails; 0 for never. */
  readonly timeoutMs: number;
  readonly idempotencyKey?: string | undefined;
  /** The batch that the run belongs to, and its name in there. */
  readonly batch?: { readonly id: string; readonly customId: string } | undefined;
  /** Waits for its admission to the pool's queue with the others of its batch: no job is added, the feeder does. */
  readonly admit?: boolean | undefined;
  /** Whose run it is; absent: nobody's in particular. */
  readonly namespace?: string | undefined;
  /** The submitter's trace context, as `traceparent` has it. */
  readonly trace?: string | undefined;
  /** The run whose conversation this one begins with: `items` are its first ones, and what is added to them. */
  readonly fork?: { readonly of: RunId; readonly items: number; readonly phase: number } | undefined;
}

export interface QueueEntry {
  readonly runId: RunId;
  /** 0: the run waits for its admission, and has no job yet. */
  readonly ticket: number;
  readonly pool: ModelId;
}

export type CreateReply =
  | { readonly kind: "created" | "exists"; readonly entry: QueueEntry }
  /** The same idempotency key stands for another body. */
  | { readonly kind: "conflict"; readonly runId: RunId };

/** 132 bits: two specs of one key never meet by accident, and nobody gains by making them. */
const DIGEST_CHARS = 22;

const replySchema = z.union([
  z.tuple([z.enum(["created", "exists"]), runIdSchema, z.coerce.number(), modelIdSchema]),
  z.tuple([z.literal("conflict"), runIdSchema]),
]);

export async function createRun(run: RunScript, create: CreateRun): Promise<CreateReply> {
  const spec = JSON.stringify(create.spec);
  const { batch, fork } = create;
  const reply = await run(
    "create",
    [runKeys(create.id).run],
    [
      JSON.stringify(withoutInput(create.spec)),
      create.needs.join("\n"),
      create.pool,
      String(create.spec.priority ?? 0),
      String(create.delayMs),
      String(create.timeoutMs),
      digest(fork === undefined ? spec : `${spec} ${bodyOfFork(create, fork)}`),
      create.idempotencyKey === undefined ? "" : digest(create.idempotencyKey),
      String(fork?.phase ?? 0),
      batch?.id ?? "",
      batch?.customId ?? "",
      create.admit === true && batch !== undefined ? "1" : "",
      fork === undefined ? "" : `${fork.of} ${fork.items}`,
      create.trace ?? "",
      create.namespace ?? "",
      ...create.items.map((item) => JSON.stringify(item)),
    ],
  );
  const parsed = replySchema.parse(reply);
  if (parsed[0] === "conflict") return { kind: "conflict", runId: parsed[1] };
  return { kind: parsed[0], entry: { runId: parsed[1], ticket: parsed[2], pool: parsed[3] } };
}

/** What makes a fork another body than its spec alone: where it begins, and what is said there. */
function bodyOfFork({ items, pool }: CreateRun, fork: NonNullable<CreateRun["fork"]>): string {
  const said = items.slice(fork.items).map(({ role, parts }) => ({ role, parts }));
  return `${fork.of} ${fork.items} ${pool} ${JSON.stringify(said)}`;
}

/** The error for a `conflict`, as every surface words it. */
export function conflictError(runId: RunId): BatonError {
  return new BatonError(
    "conflict",
    `the idempotency key was used for another body, by run ${runId}: use a new key, or send the same body`,
    { fields: { runId } },
  );
}

function digest(text: string): string {
  return hash("sha256", text, "base64url").slice(0, DIGEST_CHARS);
}
