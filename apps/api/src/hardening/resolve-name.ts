/**
 * The addresses of a name by the machine's name servers, soon or not at all; where they say that there is no such name, by
 * the system, which knows the hosts file and the search list of a cluster: a model server beside this machine knows them,
 * too, so `redis.default` may well lead somewhere.
 */
import { lookup, Resolver } from "node:dns/promises";
import { HttpProblem } from "../problem.ts";

const ANSWER_MS_MAX = 1_000;
/** Each blocks a thread of this process for as long as it takes, and there are four. */
const SYSTEM_LOOKUPS_MAX = 2;
const WAITING_MAX = 50;

export interface NameSources {
  /** By name servers; rejects with the code `ENOTFOUND` or `ENODATA` when there is none. */
  readonly servers: (name: string) => readonly Promise<readonly string[]>[];
  readonly system: (name: string) => Promise<readonly string[]>;
}

export function nameResolver(
  sources: NameSources = ofMachine(),
): (name: string) => Promise<readonly string[]> {
  const system = atMost(SYSTEM_LOOKUPS_MAX, sources.system);
  return async (name) => {
    const answers = await Promise.allSettled(sources.servers(name));
    const found = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    const isNone = answers.every((answer) => answer.status === "rejected" && isNotFound(answer.reason));
    return found.length === 0 && isNone ? system(name) : found;
  };
}

function ofMachine(): NameSources {
  const resolver = new Resolver({ timeout: ANSWER_MS_MAX, tries: 1 });
  return {
    servers: (name) => [resolver.resolve4(name), resolver.resolve6(name)],
    async system(name) {
      try {
        return (await lookup(name, { all: true })).map(({ address }) => address);
      } catch {
        // A name that nobody here knows is fetched by nobody from here.
        return [];
      }
    },
  };
}

function isNotFound(error: unknown): boolean {
  return (
    error instanceof Error && "code" in error && (error.code === "ENOTFOUND" || error.code === "ENODATA")
  );
}

function atMost<Value>(max: number, act: (name: string) => Promise<Value>): (name: string) => Promise<Value> {
  const waiting: (() => void)[] = [];
  let free = max;
  return async (name) => {
    if (waiting.length >= WAITING_MAX) {
      throw new HttpProblem(
        "rate_limited",
        429,
        "too many names of files are being looked up: send it again",
        {
          retryAfter: 1,
        },
      );
    }
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await act(name);
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
