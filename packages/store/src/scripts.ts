/**
 * The Lua scripts: loaded from lua/, declared here, called by name. The header of each file lists its keys,
 * arguments and reply; a test holds the headers against these declarations.
 */
import { readFileSync } from "node:fs";
import { BatonError } from "@baton/core";
import type { Redis } from "ioredis";
import { luaKeys } from "./keys.ts";

export interface ScriptDeclaration {
  readonly keys: readonly string[];
  /** Names of the leading arguments. A name that ends with `...` stands for any number. */
  readonly args: readonly string[];
  /** May run when Redis has no memory left, because it ends or continues what was accepted. */
  readonly allowOom: boolean;
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
      "forked",
      "items...",
    ],
    allowOom: false,
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
    args: ["op", "epoch", "len", "pool", "timeout_ms", "items..."],
    allowOom: false,
  },
  expire: { keys: ["run"], args: ["ttl_ms"], allowOom: true },
  read: { keys: ["run"], args: ["how"], allowOom: true },
  budget: { keys: ["batch", "runs"], args: ["tokens_max", "cost_max", "idle_ms"], allowOom: true },
  hold: { keys: ["holds", "control"], args: ["pool", "how"], allowOom: true },
  beat: {
    keys: ["workers", "holds", "runs..."],
    args: ["worker_id", "worker_json", "epoch and claim of each run in turn..."],
    allowOom: true,
  },
  lead: { keys: ["leader"], args: ["holder", "lease_ms"], allowOom: true },
  glance: { keys: ["runs..."], args: ["fields..."], allowOom: true },
  audit: { keys: ["runs..."], args: ["how", "group of each run in turn..."], allowOom: true },
  recount: { keys: ["backlog"], args: ["pool", "seen", "actual"], allowOom: true },
  forget: { keys: ["runs..."], args: ["batch of each run in turn..."], allowOom: true },
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
  args: readonly string[],
) => Promise<ScriptReply>;

/** The body of a script as Redis gets it: the shebang with its flags, the keys, the prelude, the file. */
export function scriptBody(name: ScriptName): string {
  const shebang = SCRIPTS[name].allowOom ? "#!lua flags=allow-oom\n" : "#!lua\n";
  return shebang + luaKeys() + readLua("prelude") + readLua(name);
}

export function readLua(name: string): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), "utf8");
}

/** Defines every script on the connection and returns the function that calls them. */
export function defineScripts(redis: Redis): RunScript {
  for (const name of scriptNames()) redis.defineCommand(commandOf(name), { lua: scriptBody(name) });
  // ioredis adds the commands to the instance at run time, which its type cannot know.
  const commands = redis as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  return async (name, keys, args) => {
    const command = commands[commandOf(name)];
    if (command === undefined) throw new Error(`script ${name} is not defined on this connection`);
    const reply = await command.call(redis, keys.length, ...keys, ...args).catch(nameFull);
    return Array.isArray(reply) ? reply : [reply];
  };
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

function commandOf(name: ScriptName): string {
  return `baton_${name}`;
}
