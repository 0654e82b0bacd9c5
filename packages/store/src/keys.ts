/**
 * Every Redis key of Baton is built here. All keys of a shard lie under one hash tag, so that every script is
 * single-slot on Redis Cluster; BullMQ's keys lie under the same tag by its prefix.
 *
 * | key (after the tag)  | type   | holds |
 * | -------------------- | ------ | ----- |
 * | run:<id>             | hash   | the record of a run, see run-record.ts |
 * | run:<id>:spec        | string | the spec as JSON, or sealed, see codec.ts; apart, so that the hash keeps its compact encoding |
 * | run:<id>:needs       | string | what a worker must have, one a line; absent when it needs nothing |
 * | run:<id>:log         | list   | the conversation, one JSON item an entry, or sealed |
 * | run:<id>:phases      | list   | the closed phases as JSON |
 * | run:<id>:events      | stream | the echo for watchers; also the name of the channel of its hints |
 * | idem:<digest>        | string | `<run id> <body hash>` of an idempotency key |
 * | status               | zset   | `<group>/<run id>`, score 0, for listing; queued and running are one group, `live` |
 * | running              | zset   | the running ones among them, by the time of their claim |
 * | live                 | zset   | runs that must have a queue entry, by the time of that entry |
 * | backlog              | hash   | pool → number of live runs |
 * | pools                | set    | every pool that a run was ever sent to; also a channel |
 * | deadlines            | zset   | runs by the time at which they fail |
 * | expiries             | zset   | `<run id> <batch> <namespace>` of ended runs, by the time at which their keys go; what a run does not have is '', and left out at the end |
 * | batch:<id>           | hash   | what the runs of a batch spent, and its budget, see batches.ts |
 * | batch:<id>:runs      | zset   | the same as `status`, of one batch |
 * | batch:<id>:ended     | zset   | its ended runs, by the time of their end |
 * | batch:<id>:pools     | hash   | pool → how many of its runs are queued or running there |
 * | batches              | zset   | ids of batches, by the time at which they were opened |
 * | space:<namespace>    | hash   | what the runs of a namespace spent, see spaces.ts |
 * | space:<namespace>:runs | zset | the same as `status`, of one namespace |
 * | space:<namespace>:batches | zset | the same as `batches`, of one namespace |
 * | space:<namespace>:room | hash | room that is set aside for runs about to be made, see space-room.ts; in shard 0 alone |
 * | namespaces           | set    | the namespaces that have runs in this shard, or spent something here |
 * | admission            | hash   | pool → how many runs wait for their admission to its queue; also a channel |
 * | admit:<pool>:<batch> | zset   | those of one batch, by priority, then in the order of their ids |
 * | flows:<pool>         | zset   | batches that have such runs, or had a moment ago, by the virtual time of their next one, see feed.lua |
 * | asleep:<pool>        | zset   | those of them that have nothing to be admitted, by the time to look again |
 * | fair:<pool>          | hash   | the virtual clock of the pool's flows, see feed.lua |
 * | fed:<pool>           | set    | runs that were admitted to the queue and have not begun |
 * | begun                | hash   | pool → how many runs have ever begun there that needed no admission |
 * | later                | zset   | runs that wait for their time before their admission, by that time |
 * | holds                | hash   | pool → `paused`, or the time until which a rate limit holds it |
 * | limit:<account>      | hash   | what is asked of a provider's account; `limit:<account>/<model>` of a model of it; see account-limits.ts |
 * | limit-calls:<account> | zset  | its calls under way, by the time until which they are believed to be |
 * | limits               | zset   | names of these buckets |
 * | settings             | hash   | `<pool> <name>` → a live setting; `rev`, see pool-settings.ts; in shard 0 alone |
 * | control              |        | a channel: claims or holds may have changed, look now |
 * | feed                 | stream | status changes of all runs, capped |
 * | leader               | string | who reconciles, with the lease as its time to live |
 * | reconciler           | hash   | the last pass: `id`, `host`, `at`, `ms` |
 * | healed               | hash   | what → how often it was healed |
 * | heals                | stream | the last 1,000 heals |
 * | workers              | hash   | worker id → time and JSON of its last beat; in shard 0 alone, as are `holds` |
 * | api-keys             | hash   | id → record of an API key; `rev`, see api-keys.ts; also a channel; in shard 0 alone |
 * | requests:<key id>    | hash   | the bucket of an API key's requests, see take.lua; in shard 0 alone |
 * | encryption           | hash   | key id → since when it seals, and its proof, see agree-on-keys.ts; in shard 0 alone |
 * | shards               | string | how many shards the store has, fixed when it is made; in shard 0 alone |
 * | q:…                  |        | BullMQ's own |
 */
import { type ModelId, type RunId, shardOf } from "@baton/core";

export interface ShardKeys {
  readonly status: string;
  readonly running: string;
  readonly live: string;
  readonly backlog: string;
  readonly pools: string;
  readonly deadlines: string;
  readonly expiries: string;
  readonly holds: string;
  readonly control: string;
  readonly batchPrefix: string;
  readonly feed: string;
  readonly workers: string;
  readonly idemPrefix: string;
  readonly bullmqPrefix: string;
}

export interface RunKeys {
  readonly run: string;
  readonly spec: string;
  readonly needs: string;
  readonly log: string;
  readonly phases: string;
  readonly events: string;
}

/** The hash tag of a shard: `{baton}` for the first, `{baton-n}` for the others. */
function tagOf(shard: number): string {
  return shard === 0 ? "{baton}" : `{baton-${shard}}`;
}

export function shardKeys(shard: number): ShardKeys {
  const tag = tagOf(shard);
  return {
    status: `${tag}:status`,
    running: `${tag}:running`,
    live: `${tag}:live`,
    backlog: `${tag}:backlog`,
    pools: `${tag}:pools`,
    deadlines: `${tag}:deadlines`,
    expiries: `${tag}:expiries`,
    holds: `${tag}:holds`,
    control: `${tag}:control`,
    batchPrefix: `${tag}:batch:`,
    feed: `${tag}:feed`,
    workers: `${tag}:workers`,
    idemPrefix: `${tag}:idem:`,
    bullmqPrefix: `${tag}:q`,
  };
}

export function runKeys(id: RunId): RunKeys {
  const run = `${tagOf(shardOf(id))}:run:${id}`;
  return {
    run,
    spec: `${run}:spec`,
    needs: `${run}:needs`,
    log: `${run}:log`,
    phases: `${run}:phases`,
    events: `${run}:events`,
  };
}

/**
 * The Lua function `keys_of(run_key)`, made from the same tables as the functions above. Scripts get the run's key
 * alone and build the others from it: a dozen keys a call would cost more than the script does. All of them lie
 * in the slot of the one that is given.
 */
export function luaKeys(): string {
  const id = "r_0_00000000000000000000000000" as RunId;
  const own = Object.entries(runKeys(id)).map(([name, key]) => {
    return `${snakeCase(name)} = run_key .. '${key.slice(runKeys(id).run.length)}'`;
  });
  return [
    "local function keys_of(run_key)",
    "  local tag, id = string.match(run_key, '^({[^}]+}):run:(.+)$')",
    `  return { id = id, tag = tag, ${[...own, ...inTag(shardKeys(0))].join(", ")} }`,
    "end",
    "local function admission_of(tag)",
    `  return { ${inTag(admissionKeys(0)).join(", ")} }`,
    "end",
    "local function spaces_of(tag)",
    `  return { ${inTag(spaceKeys(0)).join(", ")} }`,
    "end",
    "",
  ].join("\n");
}

/** The keys of the first shard as the fields of a Lua table, each built from the tag. */
function inTag(keys: Readonly<Record<string, string>> | ShardKeys): readonly string[] {
  return Object.entries(keys).map(
    ([name, key]) => `${snakeCase(name)} = tag .. '${key.slice(tagOf(0).length)}'`,
  );
}

/**
 * What admission alone uses: apart, because `keys_of` is on the hot path of every other script. Their Lua function is
 * `admission_of(tag)`.
 */
export function admissionKeys(shard: number) {
  const tag = tagOf(shard);
  return {
    admission: `${tag}:admission`,
    admitPrefix: `${tag}:admit:`,
    flowsPrefix: `${tag}:flows:`,
    asleepPrefix: `${tag}:asleep:`,
    fairPrefix: `${tag}:fair:`,
    fedPrefix: `${tag}:fed:`,
    begun: `${tag}:begun`,
    later: `${tag}:later`,
    batches: `${tag}:batches`,
    runPrefix: `${tag}:run:`,
    batchPrefix: `${tag}:batch:`,
  };
}

/** What runs of a namespace alone use: apart, for the same reason. Their Lua function is `spaces_of(tag)`. */
export function spaceKeys(shard: number) {
  const tag = tagOf(shard);
  return { namespaces: `${tag}:namespaces`, spacePrefix: `${tag}:space:` };
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** What the reconciler alone uses: apart, because `keys_of` is on the hot path of every other script. */
export function reconcilerKeys(shard: number) {
  const tag = tagOf(shard);
  return {
    leader: `${tag}:leader`,
    reconciler: `${tag}:reconciler`,
    healed: `${tag}:healed`,
    heals: `${tag}:heals`,
    /** A glob of the records of all runs, and of no other key. */
    runPattern: `${tag}:run:r_${shard}_${"?".repeat(26)}`,
  };
}

/** How many shards the store has. */
export function shardsKey(): string {
  return `${tagOf(0)}:shards`;
}

/** The encryption keys that the store was written with, see agree-on-keys.ts. */
export function encryptionKey(): string {
  return `${tagOf(0)}:encryption`;
}

/** Live settings of pools: of the whole store, so in shard 0 alone. */
export function settingsKey(): string {
  return `${tagOf(0)}:settings`;
}

/** The API's keys: of the whole store, so in shard 0 alone. */
export function apiKeysKey(): string {
  return `${tagOf(0)}:api-keys`;
}

/** The bucket of an API key's requests. */
export function requestsKey(id: string): string {
  return `${tagOf(0)}:requests:${id}`;
}

/**
 * The bucket of a provider's account, `<account>`, or of a model of it, `<account>/<model>`: what was asked of it. They
 * belong to the whole store, so they lie in shard 0, all of them.
 */
export function limitKeys(bucket: string) {
  return { bucket: `${tagOf(0)}:limit:${bucket}`, calls: `${tagOf(0)}:limit-calls:${bucket}` };
}

/** Names of the buckets, by the time at which something was last asked of them. */
export function limitsKey(): string {
  return `${tagOf(0)}:limits`;
}

/** BullMQ refuses colons in queue names and some model ids hold them, so `%` and `:` are percent-encoded. */
export function queueNameOf(pool: ModelId): string {
  return pool.replace(/[%:]/g, encodeURIComponent);
}
