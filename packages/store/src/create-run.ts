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
  shardOfKey,
  withoutInput,
} from "@baton/core";
import { z } from "zod";
import type { Codec } from "./codec.ts";
import { runKeys, shardKeys } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";
import type { RunScript } from "./scripts.ts";
import type { Late } from "./space-room.ts";
import { checkNamespace } from "./spaces.ts";

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
  z.tuple([z.literal("conflict"), runIdSchema, z.string(), z.coerce.number(), modelIdSchema]),
  z.tuple([z.literal("late")]),
]);

/** Throws `invalid_spec` for a namespace that cannot be one; then nothing is written. */
export async function createRun(run: RunScript, codec: Codec, create: CreateRun): Promise<CreateReply> {
  const reply = await createRunUntil(run, codec, create, undefined);
  if (reply.kind === "late") throw new BatonError("store_corrupt", "create was late, and had no end");
  return reply;
}

/** The same as long as it is before `until`, by Redis' clock: see space-room.ts. A run that is there is found later, too. */
export async function createRunUntil(
  run: RunScript,
  codec: Codec,
  create: CreateRun,
  until: number | undefined,
): Promise<CreateReply | Late> {
  const { id, batch, fork, namespace, idempotencyKey } = create;
  if (namespace !== undefined) checkNamespace(namespace);
  const [bodyHash = "", ...otherHashes] = idempotencyKey === undefined ? [] : bodyHashes(codec, create);
  const reply = await run(
    "create",
    [runKeys(id).run],
    [
      codec.seal(id, "spec", JSON.stringify(withoutInput(create.spec))),
      [...create.needs, ...codec.needs].join("\n"),
      create.pool,
      String(create.spec.priority ?? 0),
      String(create.delayMs),
      String(create.timeoutMs),
      bodyHash,
      idempotencyKey === undefined ? "" : digest(idempotencyKey),
      String(fork?.phase ?? 0),
      batch?.id ?? "",
      batch?.customId ?? "",
      create.admit === true && batch !== undefined ? "1" : "",
      fork === undefined ? "" : `${fork.of} ${fork.items}`,
      create.trace ?? "",
      namespace ?? "",
      until === undefined ? "" : String(until),
      ...create.items.map((item) => codec.seal(id, "item", JSON.stringify(item))),
    ],
  );
  const parsed = replySchema.parse(reply);
  if (parsed[0] === "late") return { kind: "late" };
  if (parsed[0] !== "conflict")
    return { kind: parsed[0], entry: { runId: parsed[1], ticket: parsed[2], pool: parsed[3] } };
  const [, runId, knownHash, ticket, pool] = parsed;
  // R8: looked at here, because a plain digest must not even be sent.
  if (otherHashes.includes(knownHash)) return { kind: "exists", entry: { runId, ticket, pool } };
  return { kind: "conflict", runId };
}

/**
 * Digests of the body, the first of which is sent and kept. With keys it is a keyed one, because whoever reads Redis, or
 * its slow log, could guess at a short body by a plain one. The others are those that the same body may have been kept by:
 * under another key, or before there were keys (R8).
 */
function bodyHashes(codec: Codec, create: CreateRun): readonly string[] {
  const spec = JSON.stringify(create.spec);
  const body = create.fork === undefined ? spec : `${spec} ${bodyOfFork(create, create.fork)}`;
  return [...codec.digests(body).map((text) => text.slice(0, DIGEST_CHARS)), digest(body)];
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

/** The run that a submission with this key would find instead of making one (R8). */
export async function runOfKey(
  redis: RedisClient,
  shards: number,
  idempotencyKey: string,
): Promise<RunId | undefined> {
  const { idemPrefix } = shardKeys(shardOfKey(idempotencyKey, shards));
  const known = await redis.get(`${idemPrefix}${digest(idempotencyKey)}`);
  // As create.lua writes it, the digest of the body stands behind the id.
  return known === null ? undefined : runIdSchema.parse(known.split(" ")[0]);
}

function digest(text: string): string {
  return hash("sha256", text, "base64url").slice(0, DIGEST_CHARS);
}
