/**
 * The examination: gathers and judges group after group, in the order in which people need them, and tells each group
 * as soon as those before it are told. It changes nothing and starts no Redis; MCP servers are started and ended.
 */
import { toBatonError } from "@baton/core";
import {
  adviceOnClosing,
  type Cipher,
  cipherOf,
  describeUrl,
  openFailFastConnection,
  readStoreKeys,
} from "@baton/store";
import { systemIds, VERSION } from "@baton/worker-app";
import { attempt, type Check, type Finding, fail, type Group, ok, warn, within } from "./check.ts";
import { encryptionFinding } from "./encryption-findings.ts";
import { findRedis, firstAnswer, type RedisPlace } from "./find-redis.ts";
import { gatherMachine, type Machine, machineFindings } from "./machine.ts";
import { gatherPools, type PoolFacts } from "./pool-facts.ts";
import { poolFindings } from "./pool-findings.ts";
import { gatherProviders, providerFindings } from "./providers.ts";
import { reconcilerFindings } from "./reconciler-findings.ts";
import { type Connection, gatherRedis } from "./redis-facts.ts";
import { redisFindings } from "./redis-findings.ts";
import { createScrub, type Scrub } from "./scrub.ts";
import { gatherTools, toolFindings } from "./tools.ts";

const ANSWER_MS_MAX = 5_000;
const GATHER_MS_MAX = 10_000;
const TOOLS_MS_MAX = 40_000;

export interface ExamineOptions {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** The working folder. */
  readonly folder: string;
  /** Asks providers for their models. */
  readonly online: boolean;
  readonly onGroup: (group: Group, checks: readonly Check[]) => void;
}

export interface Examination {
  readonly checks: readonly Check[];
  /** A Redis is meant, and nobody answers there. */
  readonly isUnreachable: boolean;
}

export async function examine({ variables, folder, online, onGroup }: ExamineOptions): Promise<Examination> {
  const checks: Check[] = [];
  const tell = (group: Group, findings: readonly Finding[]): void => {
    if (findings.length === 0) return;
    const told = findings.map((finding) => ({ group, ...finding }));
    checks.push(...told);
    onGroup(group, told);
  };
  const machine = await gatherMachine(variables, folder);
  const { environment, config } = machine;
  const scrub = createScrub(variables, config);
  tell(
    "machine",
    machineFindings(machine.facts).map((finding) => scrubbed(finding, scrub)),
  );

  const subject = await openSubject(machine, scrub);
  const { connection } = subject;
  const cipher = cipherOf({ keys: environment.encryptionKeys, random: systemIds.random });
  try {
    tell("redis", [
      ...subject.findings,
      ...(connection === undefined
        ? []
        : await attempt({ name: "server", limitMs: GATHER_MS_MAX, scrub }, async () => [
            ...redisFindings(await gatherRedis(connection)),
            encryptionFinding(await readStoreKeys(connection), cipher),
          ])),
    ]);
    // Servers are slow to start: they do so from here on, behind the latency of Redis and beside all other questions.
    const tools = attempt({ name: "servers", limitMs: TOOLS_MS_MAX, scrub }, async (signal) =>
      toolFindings(await gatherTools({ config, environment, scrub }, signal)),
    );
    const pools = await lookAtPools(connection, cipher, scrub);
    tell(
      "providers",
      await attempt({ name: "providers", limitMs: GATHER_MS_MAX, scrub }, async () =>
        providerFindings(
          await gatherProviders({ config, environment, online, scrub }),
          pools.facts?.workers.length,
        ),
      ),
    );
    tell("tools", await tools);
    tell("workers", pools.workers);
    tell("reconciler", pools.reconciler);
  } finally {
    connection?.disconnect();
  }
  return { checks, isUnreachable: subject.isUnreachable };
}

interface Subject {
  readonly findings: readonly Finding[];
  readonly connection: Connection | undefined;
  readonly isUnreachable: boolean;
}

async function openSubject({ environment }: Machine, scrub: Scrub): Promise<Subject> {
  const place = await findRedis(environment.redisUrl, environment.dataDir);
  const none = { connection: undefined, isUnreachable: false };
  if (place.kind === "none") {
    const found = "BATON_REDIS_URL is not set, and no Redis of the data folder runs";
    const advice = "`baton up` starts one of its own; or set BATON_REDIS_URL";
    return { ...none, findings: [warn("server", found, advice)] };
  }
  const where = `${describeUrl(place.url)} (${place.kind === "external" ? "BATON_REDIS_URL" : "of the data folder"})`;
  const answer = await firstAnswer(place.url, ANSWER_MS_MAX);
  if (answer.kind === "loading") {
    const found = `${where} still reads its data from disk`;
    return { ...none, findings: [fail("server", found, "wait: nothing moves until it is done")] };
  }
  if (answer.kind === "nobody" || answer.kind === "silent") {
    return { ...none, isUnreachable: true, findings: [unreachable(where, scrub(answer.why), place)] };
  }
  try {
    const connection = await within(ANSWER_MS_MAX, async (signal) => {
      const opened = await openFailFastConnection({ url: place.url, onlyLooks: true });
      // Nobody waits for it any more.
      if (signal.aborted) opened.disconnect();
      return opened;
    });
    return { connection, isUnreachable: false, findings: [ok("server", where)] };
  } catch (error) {
    if (answer.kind === "password") return { ...none, isUnreachable: true, findings: [locked(where)] };
    const { cause, message } = toBatonError(error);
    const why = scrub(cause instanceof Error ? cause.message : message);
    return { ...none, isUnreachable: true, findings: [unreachable(where, why, place)] };
  }
}

function locked(where: string): Finding {
  const found = `${where} wants a password, and none or a wrong one is given`;
  return fail(
    "server",
    found,
    "give it in BATON_REDIS_URL: redis://:PASSWORD@HOST:PORT, or rediss:// for TLS",
  );
}

function unreachable(where: string, why: string, { kind }: RedisPlace): Finding {
  const found = `${where} cannot be reached: ${why}`;
  const advice =
    kind === "external"
      ? (adviceOnClosing(why) ??
        "start it, or set BATON_REDIS_URL to where it is; unset, `baton up` starts one of its own")
      : "stop the `baton up` or the worker that started it, and start it again";
  return fail("server", found, advice);
}

interface Pools {
  readonly facts: PoolFacts | undefined;
  readonly workers: readonly Finding[];
  readonly reconciler: readonly Finding[];
}

async function lookAtPools(
  connection: Connection | undefined,
  cipher: Cipher | undefined,
  scrub: Scrub,
): Promise<Pools> {
  if (connection === undefined) {
    const unknown = warn("workers", "not known: no Redis could be asked", "see Redis above");
    return { facts: undefined, workers: [unknown], reconciler: [] };
  }
  let facts: PoolFacts | undefined;
  const workers = await attempt({ name: "store", limitMs: GATHER_MS_MAX, scrub }, async () => {
    facts = await gatherPools(connection, cipher);
    return poolFindings(facts, VERSION);
  });
  if (facts === undefined) return { facts, workers, reconciler: [] };
  const { health, now, corrupt } = facts;
  const reconciler = reconcilerFindings({ health, now, corrupt, liveWorkers: facts.workers.length });
  return { facts, workers, reconciler };
}

function scrubbed(finding: Finding, scrub: Scrub): Finding {
  return { ...finding, found: scrub(finding.found) };
}
