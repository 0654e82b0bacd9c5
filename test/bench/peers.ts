/**
 * Baton beside other engines that store each step: the same runs (peers/peer-driver.ts), each engine in one process of
 * workers with a real server of its own, in rounds that take turns. Each keeps the durability that it has by default;
 * since Baton's Redis then writes to disk once a second and the others before each answer, Baton is measured with
 * `appendfsync always` as well. A peer that cannot be had here says why, and the others go on.
 */
import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { type ScriptProcess, startScript } from "../support/processes.ts";
import { freshRedis } from "../support/redis.ts";
import { batonPhasesPerSecond, PHASES } from "./chain-baton.ts";
import { cpuTimeMs } from "./cpu-time.ts";
import { startPostgres } from "./postgres.ts";
import { startRestateServer } from "./restate-server.ts";
import { median, type Row, say } from "./rows.ts";

const FOLDER = join(import.meta.dirname, "peers");
const MODULES = join(FOLDER, "node_modules");
const ROUND_MS_MAX = 300_000;
const INSTALL_MS_MAX = 300_000;

interface Peer {
  readonly title: string;
  /** Its file in peers/, and what it is told besides where to store. */
  readonly script: string;
  readonly extra?: readonly string[];
  /** How many times as many phases a second Baton has to do. */
  readonly bar?: number;
  /** Starts what the peer stores in, and tells its script where that is. */
  readonly open: () => Promise<AsyncDisposable & { readonly args: readonly string[]; readonly pid: number }>;
}

const PEERS: Readonly<Record<string, Peer>> = {
  dbos: { script: "dbos.ts", title: "DBOS + Postgres", bar: 3, open: openPostgres },
  langgraph: { script: "langgraph.ts", title: "LangGraph + Postgres", bar: 6, open: openPostgres },
  "langgraph-sync": {
    script: "langgraph.ts",
    extra: ["sync"],
    title: "LangGraph + Postgres, sync",
    open: openPostgres,
  },
  restate: { script: "restate.ts", title: "Restate", bar: 2, open: openRestate },
  bullmq: { script: "bullmq.ts", title: "BullMQ, results kept", open: openRedis },
};

export interface PeerOptions {
  /** None: all. */
  readonly names: readonly string[];
  /** How many runs a round has. */
  readonly runs: number;
  readonly rounds: number;
}

export async function againstPeers({ names, runs, rounds }: PeerOptions): Promise<readonly Row[]> {
  const chosen = names.length > 0 ? names : Object.keys(PEERS);
  for (const name of chosen) {
    if (!(name in PEERS)) throw new Error(`no peer ${name}: ${Object.keys(PEERS).join(", ")}`);
  }
  await install();
  const rows: Row[] = [];
  for (const name of chosen) {
    const peer = PEERS[name];
    if (peer === undefined) continue;
    try {
      rows.push(...(await against(peer, runs, rounds)));
    } catch (error) {
      say(`${peer.title}: not measured. ${lastLine(error)}`);
    }
  }
  return rows;
}

/** Of one round: phases a second, and processor time of everything that took part. */
interface Sample {
  readonly speed: number;
  readonly cpuUs: number;
}

interface Round {
  readonly baton: Sample;
  readonly peer: Sample;
  readonly synced: Sample;
}

async function against(peer: Peer, runs: number, rounds: number): Promise<readonly Row[]> {
  await using redis = await freshRedis();
  await using service = await peer.open();
  const args = [...service.args, ...(peer.extra ?? [])];
  await using script = await startScript(join(FOLDER, peer.script), { args, cwd: FOLDER });
  await script.line(/^ready$/, 60_000);
  const admin = new Redis(redis.url);
  const sample = async (pids: readonly number[], work: () => Promise<number>): Promise<Sample> => {
    const before = await cpuTimeMs(pids);
    const speed = await work();
    return { speed, cpuUs: (((await cpuTimeMs(pids)) - before) * 1_000) / (runs * PHASES) };
  };
  const baton = async (appendfsync: "everysec" | "always"): Promise<Sample> => {
    await admin.flushall();
    await admin.config("SET", "appendfsync", appendfsync);
    return sample([process.pid, redis.pid], () => batonPhasesPerSecond({ url: redis.url, runs }));
  };
  const measured: Round[] = [];
  // The first round warms up and is not counted.
  for (let round = 0; round <= rounds; round += 1) {
    const now: Round = {
      baton: await baton("everysec"),
      peer: await sample([script.pid, service.pid], () => askPeer(script, round + 1, runs)),
      synced: await baton("always"),
    };
    if (round > 0) measured.push(now);
    const numbers = [now.baton, now.synced, now.peer].map(({ speed }) => Math.round(speed)).join(", ");
    say(
      `${peer.title}, round ${round === 0 ? "(warm-up)" : round}: Baton, Baton synced, peer: ${numbers} a second`,
    );
  }
  admin.disconnect();
  return rowsOf(peer, measured);
}

function rowsOf({ title, bar }: Peer, rounds: readonly Round[]): readonly Row[] {
  const middle = (of: (round: Round) => number): number => median(rounds.map(of));
  const ratio = middle(({ baton, peer }) => baton.speed / peer.speed);
  const verdict = bar === undefined ? {} : { bar, ok: ratio >= bar };
  return [
    { name: title, value: middle(({ peer }) => peer.speed), unit: "1/s" },
    { name: "  Baton beside it", value: middle(({ baton }) => baton.speed), unit: "1/s" },
    { name: `Baton against ${title}`, value: ratio, unit: "×", ...verdict },
    {
      name: "  with appendfsync always",
      value: middle(({ synced, peer }) => synced.speed / peer.speed),
      unit: "×",
    },
    { name: "  processor time of a phase, peer", value: middle(({ peer }) => peer.cpuUs), unit: "µs" },
    { name: "  processor time of a phase, Baton", value: middle(({ baton }) => baton.cpuUs), unit: "µs" },
    {
      name: "  the peer's against Baton's",
      value: middle(({ baton, peer }) => peer.cpuUs / baton.cpuUs),
      unit: "×",
    },
  ];
}

/** Of what failed programs wrote, the end says most. */
function lastLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.trim().split("\n").at(-1) ?? message;
}

async function askPeer(script: ScriptProcess, round: number, runs: number): Promise<number> {
  script.write(`${runs}\n`);
  const [, value] = await script.line(new RegExp(`^round ${round}: ([\\d.]+)$`), ROUND_MS_MAX);
  return Number(value);
}

async function openPostgres() {
  const server = await startPostgres(MODULES);
  return { args: [server.url], pid: server.pid, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function openRestate() {
  const server = await startRestateServer(MODULES);
  const args = [server.ingressUrl, server.adminUrl];
  return { args, pid: server.pid, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function openRedis() {
  const server = await freshRedis();
  return { args: [server.url], pid: server.pid, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** From the peers' own lockfile, without install scripts, when that file is newer than what is there. */
async function install(): Promise<void> {
  const [wanted, there] = await Promise.all(
    [join(FOLDER, "package-lock.json"), join(MODULES, ".package-lock.json")].map(async (path) =>
      stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  if ((there ?? 0) >= (wanted ?? 0) && there !== 0) return;
  say("installing the peers, about 360 MB ...");
  const args = ["ci", "--prefix", FOLDER, "--ignore-scripts", "--no-audit", "--no-fund"];
  await promisify(execFile)("npm", args, { cwd: FOLDER, timeout: INSTALL_MS_MAX });
}
