/**
 * A fuzz from a seed: right requests first, so that there is something to ask about; then the storm, a part of it while
 * the API asks for no keys and the rest while it does; then a look at what is left of it.
 */
import { setTimeout as delay } from "node:timers/promises";
import type fc from "fast-check";
import { until } from "../support/until.ts";
import type { ApiFacts } from "./api-child.ts";
import { casesOf, rightCasesOf } from "./cases.ts";
import type { FuzzCase } from "./fuzz-case.ts";
import { surfaceOf } from "./operations.ts";
import { auditRedis, type RedisAudit, runningRuns } from "./redis-audit.ts";
import { caseAt, reduced } from "./reduce.ts";
import { type StormOptions, storm } from "./storm.ts";
import { Tally } from "./tally.ts";
import { startTargets, type Targets } from "./targets.ts";
import { World } from "./world.ts";

export interface FuzzOptions {
  readonly requests: number;
  readonly seed: number;
  /** Sends this one alone, behind the right requests. */
  readonly only: number | undefined;
  readonly say: (line: string) => void;
}

export interface FuzzOutcome {
  readonly tally: Tally;
  readonly seconds: number;
  readonly before: ApiFacts;
  readonly after: ApiFacts;
  /** Requests that the API takes for unanswered, without the one that asked for them. */
  readonly openRequests: number;
  readonly audit: RedisAudit;
  /** Runs that the API lists, and those of them that it could not tell. */
  readonly listed: number;
  readonly unreadable: readonly string[];
  /** The ids of all operations there are. */
  readonly operations: readonly string[];
  /** Runs that were told in an answer. */
  readonly told: number;
  /** What a run says that is submitted when all is over. */
  readonly last: string;
  /** Lines of the API's log that tell of a fault of its own. */
  readonly faults: readonly string[];
  /** The first breaches, each made as small as it goes. */
  readonly reduced: readonly string[];
}

const RIGHT_REQUESTS = 600;
/** Of the storm, before there are keys. */
const OPEN_PART = 0.2;
const REDUCED_MAX = 3;
const SETTLE_MS_MAX = 60_000;

export async function runFuzz(options: FuzzOptions): Promise<FuzzOutcome> {
  const { requests, seed, only, say } = options;
  await using targets = await startTargets();
  const document: unknown = await (await fetch(`${targets.url}/openapi.json`)).json();
  const surface = surfaceOf(document);
  const [cases, right] = [casesOf(surface), rightCasesOf(surface)];
  const tally = new Tally();
  const secrets: string[] = [];
  const keys: string[] = ["none", "none"];
  const world = new World({ host: [new URL(targets.url).host], key: keys });
  const send = (of: fc.Arbitrary<FuzzCase>, from: number, count: number) => {
    const storming: StormOptions = {
      port: targets.port,
      caseAt: (index) => caseAt(of, seed, index),
      from,
      count,
      world,
      secrets,
      tally,
    };
    return storm({ ...storming, onProgress: (sent) => say(`${sent} of ${requests} sent`) });
  };
  await send(right, -RIGHT_REQUESTS, RIGHT_REQUESTS);
  await settled(targets);
  const open = only === undefined ? Math.floor(requests * OPEN_PART) : 0;
  const before = await targets.facts();
  const started = performance.now();
  await send(cases, 0, open);
  // With bounds that are held, and never reached.
  keys[0] = await targets.makeKey("fuzz 0", { rpm: 1_000_000, maxLive: 1_000_000 });
  keys[1] = await targets.makeKey("fuzz 1");
  const reader = await targets.makeKey("audit", { namespace: "all" });
  secrets.push(...keys, reader);
  await knows(targets.url, reader);
  await send(cases, only ?? open, only === undefined ? requests - open : 1);
  const seconds = (performance.now() - started) / 1_000;
  say("the storm is over");
  await settled(targets);
  const faults = faultsIn(targets.api.stderr);
  const after = await targets.facts();
  const openRequests = await requestsOpen(targets.url, reader);
  const { listed, unreadable } = await readBack(targets.url, reader);
  return {
    ...{ tally, seconds, before, after, openRequests, listed, unreadable, faults },
    audit: await auditRedis(targets.redisUrl),
    operations: surface.operations.map(({ id }) => id),
    told: world.runs.size,
    last: await lastRun(targets.url, keys[0] ?? ""),
    reduced: await Promise.all(
      tally.found.slice(0, REDUCED_MAX).map((found) =>
        reduced(found, {
          cases: found.index < 0 ? right : cases,
          seed,
          port: targets.port,
          world,
          secrets,
        }),
      ),
    ),
  };
}

/** No worker has a run, and the API has closed what was left open: both looked at twice. */
async function settled({ redis, facts }: Targets): Promise<void> {
  let last = "";
  await until(
    async () => {
      const { descriptors, waiters } = await facts();
      const now = `${await runningRuns(redis)} ${descriptors} ${waiters}`;
      const isStill = now === last && now.startsWith("0 ");
      last = now;
      if (!isStill) await delay(300);
      return isStill;
    },
    { what: "the API and the workers to come to rest", withinMs: SETTLE_MS_MAX },
  );
}

async function knows(url: string, key: string): Promise<void> {
  const status = async (headers?: Record<string, string>): Promise<number> =>
    (await fetch(`${url}/v1/runs`, { headers })).status;
  await until(
    async () => (await status()) === 401 && (await status({ authorization: `Bearer ${key}` })) === 200,
    {
      what: "the API to know its keys",
    },
  );
}

function faultsIn(log: string): readonly string[] {
  return log.split("\n").filter((line) => line !== "" && !/"level":(10|20|30|40),/.test(line));
}

async function requestsOpen(url: string, key: string): Promise<number> {
  const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${key}` } });
  return Number(/^baton_api_requests_open (\d+)$/m.exec(await response.text())?.[1]) - 1;
}

interface Page {
  readonly data: readonly { readonly id: string }[];
  readonly next_cursor: string | null;
}

const READ_EVERY = 5;

/** Lists all runs, and reads some of them with their conversations: what was accepted can be told. */
async function readBack(
  url: string,
  key: string,
): Promise<{ listed: number; unreadable: readonly string[] }> {
  const headers = { authorization: `Bearer ${key}` };
  const unreadable: string[] = [];
  const read = async (path: string): Promise<unknown> => {
    const response = await fetch(`${url}${path}`, { headers });
    const body = await response.text();
    if (response.ok) return JSON.parse(body);
    unreadable.push(`GET ${path}: ${response.status} ${body.slice(0, 200)}`);
    return undefined;
  };
  let listed = 0;
  let cursor: string | null = "";
  while (cursor !== null) {
    // The API holds its answers against their schemas.
    const page = (await read(`/v1/runs?limit=200${cursor === "" ? "" : `&cursor=${cursor}`}`)) as
      | Page
      | undefined;
    for (const [place, { id }] of (page?.data ?? []).entries()) {
      if (place % READ_EVERY !== 0) continue;
      await read(`/v1/runs/${id}`);
      await read(`/v1/runs/${id}/conversation`);
    }
    listed += page?.data.length ?? 0;
    cursor = page?.next_cursor ?? null;
  }
  return { listed, unreadable };
}

async function lastRun(url: string, key: string): Promise<string> {
  const response = await fetch(`${url}/v1/runs?wait=20`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    // A model whose pool nobody has touched.
    body: JSON.stringify({ input: "Say hello.", model: "openai/after-the-storm" }),
  });
  const body: unknown = await response.json();
  const { status, final_output: said } = body as {
    readonly status?: unknown;
    readonly final_output?: unknown;
  };
  return `${response.status} ${status} ${said}`;
}
