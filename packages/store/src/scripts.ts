/**
 * The Lua scripts: loaded from lua/, declared here, called by name. The header of each file lists its keys,
 * arguments and reply; a test holds the headers against these declarations.
 */
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { BatonError } from "@baton/core";
import { luaKeys } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";

export interface ScriptDeclaration {
  readonly keys: readonly string[];
  /** Names of the leading arguments. A name that ends with `...` stands for any number. */
  readonly args: readonly string[];
  /** May run when Redis has no memory left, because it ends or continues what was accepted. */
  readonly allowOom: boolean;
  /** A file of functions that it shares with some others, put between the prelude and its own. */
  readonly shared?: "bucket" | "lists";
}

export const SCRIPTS = {
  create: {
    keys: ["run"],
    args: [
      "spec",
      "needs",
      "pool",
      "priority",
      "delay_ms",
      "timeout_ms",
      "body_hash",
      "idem_digest",
      "phase",
      "batch",
      "custom_id",
      "admit",
      "forked",
      "trace",
      "namespace",
      "until_ms",
      "items...",
    ],
    allowOom: false,
    shared: "lists",
  },
  claim: {
    keys: ["run"],
    args: [
      "ticket",
      "pool",
      "claim",
      "schema_version",
      "known_rev",
      "capabilities",
      "unfit_grace_ms",
      "takeovers_max",
      "ttl_ms",
      "log_max",
      "known_log",
      "seal_need",
    ],
    allowOom: true,
  },
  append: {
    keys: ["run"],
    args: ["claim", "epoch", "len", "is_turn", "usage", "spend", "item_count", "items...", "events"],
    allowOom: true,
  },
  commit: {
    keys: ["run"],
    args: [
      "claim",
      "epoch",
      "ticket",
      "len",
      "is_turn",
      "usage",
      "spend",
      "outcome",
      "pool",
      "delay_ms",
      "reason",
      "detail",
      "error_code",
      "error_message",
      "tries",
      "ttl_ms",
      "pack",
      "item_count",
      "items...",
      "events",
    ],
    allowOom: true,
  },
  requeue: { keys: ["run"], args: ["op", "status", "ticket", "epoch", "claim"], allowOom: true },
  cancel: { keys: ["run"], args: ["op", "ttl_ms"], allowOom: true },
  pause: { keys: ["run"], args: ["op"], allowOom: true },
  resume: { keys: ["run"], args: ["op", "len", "items..."], allowOom: true },
  retry: {
    keys: ["run"],
    args: ["op", "epoch", "len", "pool", "timeout_ms", "until_ms", "items..."],
    allowOom: false,
  },
  expire: { keys: ["run"], args: ["ttl_ms"], allowOom: true },
  read: { keys: ["run"], args: ["how"], allowOom: true },
  batch: {
    keys: ["batch", "runs", "batches"],
    args: ["id", "how", "idle_ms", "made", "field and value in turn..."],
    allowOom: true,
    shared: "lists",
  },
  page: { keys: ["runs"], args: ["limit", "from and to of each group in turn..."], allowOom: true },
  count: { keys: ["runs"], args: ["groups..."], allowOom: true },
  newest: { keys: ["runs"], args: ["limit", "upper and lower of each group in turn..."], allowOom: true },
  feed: {
    keys: ["admission"],
    args: ["pool", "window", "prioritized", "feed_max", "check"],
    allowOom: false,
  },
  hold: { keys: ["holds", "control"], args: ["pool", "how"], allowOom: true },
  settings: { keys: ["settings", "control"], args: ["pool", "name and value in turn..."], allowOom: true },
  beat: {
    keys: ["workers", "holds", "settings", "runs..."],
    args: ["worker_id", "worker_json", "known_rev", "epoch and claim of each run in turn..."],
    allowOom: true,
  },
  agree: { keys: ["encryption"], args: ["key_id", "proof", "known_count"], allowOom: true },
  key: { keys: ["api_keys"], args: ["op", "how", "id", "record", "keys_max"], allowOom: true },
  take: { keys: ["bucket"], args: ["op", "per_minute"], allowOom: true },
  lead: { keys: ["leader"], args: ["holder", "lease_ms"], allowOom: true },
  glance: { keys: ["runs..."], args: ["fields..."], allowOom: true },
  audit: { keys: ["runs..."], args: ["how", "namespace", "group of each run in turn..."], allowOom: true },
  recount: { keys: ["backlog"], args: ["pool", "seen", "actual"], allowOom: true },
  forget: {
    keys: ["runs..."],
    args: ["keep_ms", "batch and namespace of each run in turn..."],
    allowOom: true,
    shared: "lists",
  },
  space: { keys: ["space", "runs", "namespaces"], args: ["namespace", "how"], allowOom: true },
  room: { keys: ["room"], args: ["holder", "how", "runs", "lease_ms", "margin_ms"], allowOom: true },
  reserve: {
    keys: ["account", "pool", "calls", "index"],
    args: ["call", "amounts", "window_ms", "book_ms", "lease_ms", "account_limits", "pool_limits"],
    allowOom: true,
    shared: "bucket",
  },
  settle: {
    keys: ["account", "pool", "calls"],
    args: ["call", "amounts", "window_ms"],
    allowOom: true,
    shared: "bucket",
  },
  learn: {
    keys: ["bucket", "index"],
    args: ["window_ms", "limits", "remaining", "resets"],
    allowOom: true,
    shared: "bucket",
  },
  late: { keys: ["account", "pool"], args: ["call", "window_ms"], allowOom: true, shared: "bucket" },
  cut: { keys: ["bucket", "index"], args: ["window_ms"], allowOom: true, shared: "bucket" },
  lease: { keys: ["calls"], args: ["lease_ms", "calls..."], allowOom: true },
  headroom: {
    keys: ["bucket and calls of each in turn..."],
    args: ["window_ms"],
    allowOom: true,
    shared: "bucket",
  },
  publish: {
    keys: ["runs..."],
    args: ["epoch, claim and events (a JSON array) of each run in turn..."],
    allowOom: false,
  },
} as const satisfies Record<string, ScriptDeclaration>;

export type ScriptName = keyof typeof SCRIPTS;

/** What a script replied, before its own module reads it. */
export type ScriptReply = readonly unknown[];

/** Runs a script on its connection. */
export type RunScript = (
  name: ScriptName,
  keys: readonly string[],
  args: readonly (string | Buffer)[],
) => Promise<ScriptReply>;

/** The body of a script as Redis gets it: the shebang with its flags, the keys, the prelude, the file. */
export function scriptBody(name: ScriptName): string {
  const shebang = SCRIPTS[name].allowOom ? "#!lua flags=allow-oom\n" : "#!lua\n";
  const { shared }: ScriptDeclaration = SCRIPTS[name];
  return (
    shebang + luaKeys() + readLua("prelude") + (shared === undefined ? "" : readLua(shared)) + readLua(name)
  );
}

export function readLua(name: string): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), "utf8");
}

interface LoadedScript {
  readonly body: string;
  /** What Redis knows it by. */
  readonly sha: string;
}

let loaded: Readonly<Record<ScriptName, LoadedScript>> | undefined;

/**
 * All at once, when the first connection is opened: later a process may have no file handle left, or the files may be those of
 * another version that was installed over this one.
 */
function loadScripts(): Readonly<Record<ScriptName, LoadedScript>> {
  if (loaded !== undefined) return loaded;
  const all = scriptNames().map((name) => {
    const body = scriptBody(name);
    return [name, { body, sha: hash("sha1", body) }] as const;
  });
  // Each of the names is there.
  loaded = Object.fromEntries(all) as Record<ScriptName, LoadedScript>;
  return loaded;
}

/**
 * Returns the function that calls scripts on a connection: by their hash, and with their body where Redis does not know
 * it (yet, or any more). They are not defined as commands of the client, because it copies all of those for each
 * pipeline that it fills.
 */
export function defineScripts(redis: RedisClient): RunScript {
  const scripts = loadScripts();
  return async (name, keys, args) => {
    const { sha, body } = scripts[name];
    const reply = await redis
      .evalsha(sha, keys.length, ...keys, ...args)
      .catch((error: unknown) => {
        if (!isUnknownScript(error)) throw error;
        return redis.eval(body, keys.length, ...keys, ...args);
      })
      .catch(nameFull);
    return Array.isArray(reply) ? reply : [reply];
  };
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}

/** A Redis whose memory is full refuses what would begin new work; what continues work, it takes. */
function nameFull(error: unknown): never {
  if (!(error instanceof Error) || !error.message.startsWith("OOM")) throw error;
  throw new BatonError(
    "redis_full",
    "Redis has no memory left and takes no new work: what was accepted is safe. Wait, or give it more memory (maxmemory)",
    { cause: error, retry: "backoff" },
  );
}

export function scriptNames(): readonly ScriptName[] {
  // The keys of the literal above are exactly the names.
  return Object.keys(SCRIPTS) as ScriptName[];
}
