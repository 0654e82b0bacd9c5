/**
 * The Redis of a chaos run: a real, durable server of its own that is killed, comes back on the same data at the
 * same address, and can lose the end of what it wrote.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, readlink, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { type RedisHandle, startRedis } from "@baton/redis-embedded";
import { sendSignal } from "../support/processes.ts";
import { redisTestEnv } from "../support/redis-env.ts";
import { until } from "../support/until.ts";

export class RedisProcess implements AsyncDisposable {
  readonly #dataDir: string;
  readonly #checker: Checker;
  #handle: RedisHandle;
  #starting: Promise<RedisHandle> | undefined;
  #isEnded = false;

  private constructor(dataDir: string, handle: RedisHandle, checker: Checker) {
    this.#dataDir = dataDir;
    this.#handle = handle;
    this.#checker = checker;
  }

  static async start(dataDir: string): Promise<RedisProcess> {
    const handle = await startRedis({ dataDir, env: redisTestEnv() });
    return new RedisProcess(dataDir, handle, await checkerOf(handle.pid));
  }

  /** The path of its socket, the same for all of its lives. */
  get url(): string {
    return this.#handle.url;
  }

  get #pid(): number {
    const { pid } = this.#handle;
    if (pid === undefined) throw new Error("chaos needs a redis-server process, not a container");
    return pid;
  }

  signal(name: NodeJS.Signals): void {
    sendSignal(this.#pid, name);
  }

  /** Resolves when it is gone. */
  async kill(): Promise<void> {
    const pid = this.#pid;
    sendSignal(pid, "SIGKILL");
    await until(() => !isThere(pid), { what: `the end of Redis, process ${pid}` });
  }

  /** Resolves when it answers with its data loaded. */
  async restart(): Promise<void> {
    if (this.#isEnded) return;
    const starting = startRedis({ dataDir: this.#dataDir, env: redisTestEnv() });
    this.#starting = starting;
    this.#handle = await starting;
  }

  /** Cuts the end of the newest append-only file, as a machine does that loses power, and has Redis' tool mend it. */
  async loseTail(bytes: number): Promise<void> {
    const folder = join(this.#dataDir, "redis", "appendonlydir");
    const names = await readdir(folder);
    const numberOf = (name: string): number => Number(/\.(\d+)\.incr\.aof$/.exec(name)?.[1] ?? -1);
    const newest = names.filter((name) => numberOf(name) >= 0).sort((a, b) => numberOf(b) - numberOf(a))[0];
    const manifest = names.find((name) => name.endsWith(".manifest"));
    if (newest === undefined || manifest === undefined) throw new Error(`${folder} has no append-only file`);
    const file = join(folder, newest);
    const { size } = await stat(file);
    await truncate(file, size - Math.min(bytes, Math.floor(size / 2)));
    await this.#mend(join(folder, manifest));
  }

  /** Also ends a server that is just being started. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnded = true;
    await this.#starting?.then(
      (handle) => handle.stop(),
      () => undefined,
    );
    await this.#handle.stop();
  }

  async #mend(manifest: string): Promise<void> {
    const { file, env } = this.#checker;
    const child = spawn(file, ["--fix", manifest], { argv0: "redis-check-aof", env: { ...env } });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    child.stdin.on("error", () => undefined);
    child.stdin.end("y\n");
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`redis-check-aof ended with ${code}: ${output.slice(-500)}`);
  }
}

interface Checker {
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The server is its own checker when it is called by that name; where that cannot be seen, there is one on PATH. */
async function checkerOf(pid: number | undefined): Promise<Checker> {
  try {
    const file = await readlink(`/proc/${pid}/exe`);
    // Its libraries may lie beside it, and it has overwritten its environment.
    const maps = await readFile(`/proc/${pid}/maps`, "utf8");
    const folders = new Set([...maps.matchAll(/(\/\S+)\/[^/\s]+\.so[.\d]*$/gm)].map(([, folder]) => folder));
    return { file, env: { LD_LIBRARY_PATH: [...folders].join(":") } };
  } catch {
    return { file: "redis-check-aof", env: { PATH: process.env.PATH ?? "" } };
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
