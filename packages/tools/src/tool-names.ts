/**
 * The names by which models call tools: at most 64 characters out of `[a-zA-Z0-9_-]`, no two alike.
 *
 * N1. A name depends on the selection and on what its servers list, never on the order of anything: another
 *     process with the same selection gives the same names.
 * N2. A tool has its own name while no other wants it; all that want the same one get their server's alias in
 *     front. A function keeps its name: it is the operator's.
 * N3. `transfer_to_…` means a handoff and is never the name of a tool.
 * N4. A name that was given out is not given to another tool later (`given`), so that a call that was made under
 *     it never reaches the wrong tool.
 */
import { createHash } from "node:crypto";
import { isServerUrl } from "./server-name.ts";

export interface ToolIdentity {
  /** The server's name in the selection; none: a function. */
  readonly server: string | undefined;
  readonly tool: string;
}

export const TOOL_NAME = /^[a-zA-Z0-9_-]{1,64}$/;

const NAME_CHARS_MAX = 64;
const ALIAS_CHARS_MAX = 24;
const RESERVED_PREFIX = "transfer_to_";
const FUNCTION_ALIAS = "function";

/** 0: its own name. 1: with the alias in front. 2: with a hash of its identity at the end, which is unique. */
type Level = 0 | 1 | 2;

interface Candidate {
  readonly identity: ToolIdentity;
  readonly key: string;
  readonly alias: string;
  level: Level;
}

/**
 * The names of `identities`, in the same order. `servers` are all servers of the selection, those without tools
 * too, since aliases must not change when a server is down. `given`: to which identity (by key) a name went before.
 */
export function assignNames(
  identities: readonly ToolIdentity[],
  servers: readonly string[],
  given: ReadonlyMap<string, string> = new Map(),
): readonly string[] {
  const aliases = aliasesOf(servers);
  const candidates = identities.map((identity): Candidate => {
    const alias = identity.server === undefined ? FUNCTION_ALIAS : (aliases.get(identity.server) ?? "mcp");
    const level = sanitise(identity.tool).startsWith(RESERVED_PREFIX) ? 1 : 0;
    return { identity, key: keyOf(identity), alias, level };
  });
  // Each round looks at all names as they are and raises all that clash together, so order cannot matter (N1).
  while (raiseClashing(candidates, given)) {}
  return candidates.map(nameOf);
}

/** Identifies a tool among those of a selection. */
export function keyOf({ server, tool }: ToolIdentity): string {
  return JSON.stringify([server ?? null, tool]);
}

function raiseClashing(candidates: readonly Candidate[], given: ReadonlyMap<string, string>): boolean {
  const groups = Map.groupBy(candidates, nameOf);
  let raised = false;
  for (const [name, group] of groups) {
    const owner = given.get(name);
    for (const candidate of group) {
      const clashes = group.length > 1 || (owner !== undefined && owner !== candidate.key);
      const pinned = candidate.identity.server === undefined && candidate.level === 0;
      if (!clashes || pinned || candidate.level === 2) continue;
      candidate.level = candidate.level === 0 ? 1 : 2;
      raised = true;
    }
  }
  return raised;
}

function nameOf({ identity, key, alias, level }: Candidate): string {
  const own = sanitise(identity.tool);
  const name = level === 0 ? own : `${alias}__${own}`;
  return level === 2 ? cut(name, NAME_CHARS_MAX, key) : shorten(name, NAME_CHARS_MAX, key);
}

/** A short name for each server, unique among them. */
function aliasesOf(servers: readonly string[]): ReadonlyMap<string, string> {
  const names = [...new Set(servers)];
  const groups = Map.groupBy(names, aliasOf);
  return new Map(
    names.map((name) => {
      const alias = aliasOf(name);
      const shared = (groups.get(alias)?.length ?? 0) > 1;
      return [name, shared ? cut(alias, ALIAS_CHARS_MAX, name) : alias];
    }),
  );
}

function aliasOf(server: string): string {
  const alias = sanitise(isServerUrl(server) && URL.canParse(server) ? new URL(server).host : server);
  return shorten(alias.startsWith(RESERVED_PREFIX) ? `mcp_${alias}` : alias, ALIAS_CHARS_MAX, server);
}

function sanitise(name: string): string {
  const clean = name.replace(/[^a-zA-Z0-9_-]+/g, "_");
  return clean === "" ? "_" : clean;
}

function shorten(name: string, charsMax: number, key: string): string {
  return name.length <= charsMax ? name : cut(name, charsMax, key);
}

function cut(name: string, charsMax: number, key: string): string {
  const hash = createHash("sha256").update(key).digest("hex").slice(0, 8);
  return `${name.slice(0, charsMax - hash.length - 1)}_${hash}`;
}
