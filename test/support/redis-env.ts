/** What tests tell `startRedis`; usable outside of Vitest too. */
import { startRedis } from "../../packages/redis-embedded/src/index.ts";
import { tempFolder } from "./temp-folder.ts";

/** The environment for `startRedis` in tests: never the server that the developer may have configured. */
export function redisTestEnv(): NodeJS.ProcessEnv {
  return { ...process.env, BATON_REDIS_URL: undefined };
}

/**
 * Starts and stops a server once, so that a download is no part of some test's time. Resolves with its version.
 */
export async function ensureRedis(log: (line: string) => void): Promise<string> {
  await using folder = await tempFolder();
  await using handle = await startRedis({ dataDir: folder.path, env: redisTestEnv(), log });
  return handle.version ?? "of unknown version";
}
