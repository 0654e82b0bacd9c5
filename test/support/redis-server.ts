/**
 * One `redis-server` process on a port of its own, with any settings: what clusters, sentinels, TLS and users are tested
 * with. It keeps an append-only file, and is gone with its folder when it is disposed of.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { Redis, type RedisOptions } from "ioredis";
import { fetchDebianProgram } from "../../packages/redis-embedded/src/debian-packages.ts";
import { findProgramOnPath, type ServerProgram } from "../../packages/redis-embedded/src/program.ts";
import { startContext } from "../../packages/redis-embedded/src/start-context.ts";
import { redisTestEnv } from "./redis-env.ts";
import { type TempFolder, tempFolder } from "./temp-folder.ts";
import { until } from "./until.ts";

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export interface RedisServerOptions {
  /** Lines of its configuration. */
  readonly settings?: readonly string[];
  /** How to speak to it; absent: as it is. */
  readonly client?: RedisOptions;
  /** Without a plain port, when `settings` have one for TLS. */
  readonly portSetting?: "port" | "tls-port";
  readonly args?: readonly string[];
}

export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly client: Redis;
  readonly #child: ChildProcess;
  readonly #folder: TempFolder;

  private constructor(port: number, child: ChildProcess, folder: TempFolder, client: Redis) {
    this.port = port;
    this.client = client;
    this.#child = child;
    this.#folder = folder;
  }

  /** Resolves when it answers. */
  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const { settings = [], client = {}, portSetting = "port", args = [] } = options;
    const [folder, program, port] = [await tempFolder(), await programOf(), await freePort()];
    const file = join(folder.path, "redis.conf");
    const own = [`dir ${folder.path}`, "save ''", "bind 127.0.0.1", "daemonize no", `${portSetting} ${port}`];
    const durable = args.includes("--sentinel") ? [] : ["appendonly yes", "appendfsync everysec"];
    await writeFile(
      file,
      `${[...own, ...durable, ...settings].join("\n").replace("save ''\n", 'save ""\n')}\n`,
    );
    const child = spawn(program.file, [file, ...args], {
      cwd: folder.path,
      env: { PATH: process.env.PATH, LD_LIBRARY_PATH: program.libraryPath },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(child);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (data) => {
        output = (output + String(data)).slice(-4_000);
      });
    }
    child.once("exit", () => running.delete(child));
    const redis = new Redis({
      port,
      host: "127.0.0.1",
      maxRetriesPerRequest: 3,
      lazyConnect: true,
      ...client,
    });
    redis.on("error", () => undefined);
    const server = new RedisServer(port, child, folder, redis);
    try {
      await until(() => redis.ping().then((reply) => reply === "PONG"), { what: `Redis on port ${port}` });
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw new Error(`a Redis did not start: ${output}`, { cause: error });
    }
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Lets it hang: connections stay open, and nothing is answered. */
  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  /** Resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.disconnect();
    await this.kill();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** A port that nobody has at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a server on a port has an address");
  return address.port;
}

async function programOf(): Promise<ServerProgram> {
  const env = redisTestEnv();
  const onPath = await findProgramOnPath(env, undefined);
  if (onPath.kind === "found") return onPath.program;
  await using folder = await tempFolder();
  const fetched = await fetchDebianProgram(await startContext({ dataDir: folder.path, env }), undefined);
  if (fetched.kind === "missing") throw new Error(`these tests need a redis-server: ${fetched.why}`);
  return fetched.program;
}
