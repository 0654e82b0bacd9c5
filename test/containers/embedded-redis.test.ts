/**
 * The last way to a Redis: a container. Needs a Docker engine and an image; `BATON_TEST_REDIS_IMAGE` names one
 * that is there already, where `redis:7` cannot be pulled.
 */
import { execFile } from "node:child_process";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type RedisHandle, startRedis } from "../../packages/redis-embedded/src/index.ts";
import { findOnPath } from "../../packages/redis-embedded/src/program.ts";
import { startScript } from "../support/processes.ts";
import { redisTestEnv } from "../support/redis-env.ts";
import { tempFolder } from "../support/temp-folder.ts";

const CHILD = join(import.meta.dirname, "..", "support", "start-redis-child.ts");
const dockerImage = process.env.BATON_TEST_REDIS_IMAGE ?? "redis:7";
const run = promisify(execFile);

let docker = "";
beforeAll(async () => {
  const found = await findOnPath("docker", process.env);
  if (found === undefined) throw new Error("these tests need docker");
  docker = found;
  await run(docker, ["image", "inspect", dockerImage]).catch(() => run(docker, ["pull", dockerImage]));
});

interface Place {
  readonly dataDir: string;
  /** Has nothing but Docker on its PATH. */
  readonly env: NodeJS.ProcessEnv;
}

async function place(): Promise<Place> {
  const folder = await tempFolder();
  const bin = join(folder.path, "bin");
  const dataDir = join(folder.path, "data");
  await mkdir(bin);
  await symlink(docker, join(bin, "docker"));
  const env = { ...redisTestEnv(), PATH: bin };
  onTestFinished(async () => {
    // Whoever is left is adopted, and so can be stopped.
    await (await startRedis({ dataDir, env, dockerImage })).stop();
    await folder[Symbol.asyncDispose]();
  });
  return { dataDir, env };
}

const start = (place: Place): Promise<RedisHandle> => startRedis({ ...place, dockerImage });

async function ask<Value>(url: string, use: (client: Redis) => Promise<Value>): Promise<Value> {
  const client = new Redis(url, { maxRetriesPerRequest: 1 });
  try {
    return await use(client);
  } finally {
    client.disconnect();
  }
}

async function containersOf({ dataDir }: Place): Promise<string[]> {
  const { stdout } = await run(docker, ["ps", "--all", "--filter", `volume=${dataDir}/redis`, "--quiet"]);
  return stdout.split("\n").filter(Boolean);
}

describe("Redis in a container", () => {
  test("keeps its data over a stop, and leaves no container", async () => {
    const here = await place();
    const first = await start(here);
    expect(first).toMatchObject({ kind: "docker", pid: undefined });
    await ask(first.url, (client) => client.set("a", "1"));
    await first.stop();
    expect(await containersOf(here)).toEqual([]);
    const second = await start(here);
    expect(await ask(second.url, (client) => client.get("a"))).toBe("1");
    expect(await ask(second.url, (client) => client.config("GET", "appendonly"))).toEqual([
      "appendonly",
      "yes",
    ]);
    await second.stop();
  });

  test("is on loopback alone, and asks for a password", async () => {
    const redis = await start(await place());
    const url = new URL(redis.url);
    expect(url.hostname).toBe("127.0.0.1");
    url.password = "";
    const open = new Redis(url.href, { maxRetriesPerRequest: 0, retryStrategy: () => null });
    open.on("error", () => undefined);
    await expect(open.ping()).rejects.toThrow();
    open.disconnect();
    await redis.stop();
  });

  test("a second start attaches, and survives the second's stop", async () => {
    const here = await place();
    const owner = await start(here);
    const guest = await start(here);
    expect(guest).toMatchObject({ kind: "attached", url: owner.url });
    await guest.stop();
    expect(await ask(owner.url, (client) => client.ping())).toBe("PONG");
    await owner.stop();
  });

  test("a container whose owner was killed is adopted; one that was killed is replaced, with its data", async () => {
    const here = await place();
    await using child = await startScript(CHILD, {
      args: [here.dataDir, "--docker-image", dockerImage],
      env: here.env,
    });
    const [, kind, url] = await child.line(/^ready (\w+) \w+ (.+)$/, 60_000);
    expect(kind).toBe("docker");
    await ask(url ?? "", (client) => client.set("a", "1"));
    await child.kill();
    const heir = await start(here);
    expect(heir).toMatchObject({ kind: "adopted", url });
    const [container] = await containersOf(here);
    await run(docker, ["kill", container ?? ""]);
    const next = await start(here);
    expect(next.kind).toBe("docker");
    expect(await ask(next.url, (client) => client.get("a"))).toBe("1");
    // The old handle has no server any more, and does not end the new one.
    await heir.stop();
    expect(await ask(next.url, (client) => client.ping())).toBe("PONG");
    await next.stop();
  });

  test("an image that cannot run is an error with Docker's own words", async () => {
    const here = await place();
    await expect(startRedis({ ...here, dockerImage: "baton.invalid/none:1" })).rejects.toMatchObject({
      code: "redis_unreachable",
      message: expect.stringContaining("docker run:"),
    });
  });
});
