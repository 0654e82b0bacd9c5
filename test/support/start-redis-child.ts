/**
 * A process that owns an embedded Redis, for tests that kill it.
 * Arguments: data folder, then `--kill-after MS` or `--docker-image NAME`.
 */
import { parseArgs } from "node:util";
import { startRedis } from "../../packages/redis-embedded/src/index.ts";

const { values, positionals } = parseArgs({
  options: { "kill-after": { type: "string" }, "docker-image": { type: "string" } },
  allowPositionals: true,
});
const { "kill-after": afterMs, "docker-image": dockerImage } = values;
const [dataDir] = positionals;
if (dataDir === undefined) throw new Error("a data folder is needed");
if (afterMs !== undefined) setTimeout(() => process.kill(process.pid, "SIGKILL"), Number(afterMs));

const env = { ...process.env, BATON_REDIS_URL: undefined };
const redis = await startRedis({ dataDir, env, ...(dockerImage === undefined ? {} : { dockerImage }) });
process.stdout.write(`ready ${redis.kind} ${redis.pid} ${redis.url}\n`);

process.once("SIGTERM", () => {
  redis.stop().then(
    () => process.exit(0),
    () => process.exit(1),
  );
});
// Waits to be told, or killed.
setInterval(() => undefined, 1_000);
