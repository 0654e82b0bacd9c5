/**
 * A Redis that cannot write to its disk, and therefore refuses what writes (MISCONF), as one does whose disk is full: its
 * snapshot has nowhere to go.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Redis } from "ioredis";
import type { PrivateRedis } from "./redis.ts";
import { until } from "./until.ts";

/** Disposing gives it its disk back; it can be called before, too. */
export interface BrokenDisk extends AsyncDisposable {
  mend(): Promise<void>;
}

export async function breakDisk(server: PrivateRedis): Promise<BrokenDisk> {
  const redis = new Redis(server.url, { enableReadyCheck: false });
  await mkdir(join(server.dataDir, "redis", "dump.rdb"), { recursive: true });
  await redis.config("SET", "save", "3600 1");
  await redis.bgsave();
  await until(async () => /rdb_last_bgsave_status:err/.test(await redis.info("persistence")), {
    what: "the snapshot to fail",
  });
  const mend = async (): Promise<void> => {
    await redis.config("SET", "save", "");
  };
  return {
    mend,
    async [Symbol.asyncDispose]() {
      await mend();
      redis.disconnect();
    },
  };
}
