/** What the leader does when a time has come: runs past their deadline fail, runs past their retention leave the indexes. */
import type { RunId } from "@baton/core";
import { KEPT_FOR_SHARDS_MS } from "./batches.ts";
import { type Glance, glanceRuns } from "./glance-runs.ts";
import type { Healed } from "./heal-log.ts";
import type { IndexAudit } from "./index-audit.ts";
import { isScriptError } from "./is-script-error.ts";
import { runKeys, shardKeys } from "./keys.ts";
import type { Ledger } from "./ledger.ts";
import type { RunScript } from "./scripts.ts";
import { runIdIn } from "./shards.ts";

const DEADLINES_A_PASS_MAX = 500;
const EXPIRIES_A_PASS_MAX = 2_000;
const AT_ONCE = 200;

/**
 * Fails the runs whose deadline has passed, in any status that is not terminal. `inTheWay` is how many records are
 * known that cannot be read: they may stay at the head of the line, and must not fill it.
 */
export async function failOverdue(
  options: {
    readonly ledger: Ledger;
    readonly run: RunScript;
    readonly audit: IndexAudit;
    readonly shard: number;
    readonly inTheWay: number;
  },
  now: number,
): Promise<readonly Healed[]> {
  const { ledger, run, audit, shard, inTheWay } = options;
  const { deadlines } = shardKeys(shard);
  const limit = DEADLINES_A_PASS_MAX + inTheWay;
  const members = await ledger.redis.zrangebyscore(deadlines, "-inf", now, "LIMIT", 0, limit);
  if (members.length === 0) return [];
  const ids = members.flatMap((member) => runIdIn(shard, member) ?? []);
  const garbage = members.filter((member) => runIdIn(shard, member) === undefined);
  const healed = [...(await audit.removeGarbage("deadlines", garbage))];
  const glances = await glanceRuns(run, ids);
  const replies = await Promise.all(ids.map((id, place) => failOne(ledger, id, glances[place])));
  const outOfStep: RunId[] = [];
  for (const [place, reply] of replies.entries()) {
    const id = ids[place];
    if (reply === "early" && id !== undefined) outOfStep.push(id);
    else if (typeof reply === "object") healed.push(reply);
  }
  // Due by the index and not by the record.
  return [...healed, ...(await audit.repair(outOfStep))];
}

async function failOne(ledger: Ledger, runId: RunId, glance?: Glance): Promise<Healed | "early" | "done"> {
  if (glance?.kind === "corrupt") return { what: "corrupt", runId };
  const pool = glance?.kind === "live" ? glance.run.pool : undefined;
  try {
    const reply = await ledger.expire(runId);
    if (reply.kind === "done") return { what: "deadline", runId, pool };
    return reply.kind === "refused" && reply.status === "early" ? "early" : "done";
  } catch (error) {
    if (!isScriptError(error)) throw error;
    return { what: "corrupt", runId, pool, detail: error.message.slice(0, 200) };
  }
}

/**
 * Takes runs whose keys have expired out of the status index, their batch's and their namespace's; the keys of a run
 * expire by themselves, its places in the indexes do not. Returns how many.
 */
export async function forgetExpired(
  { ledger, run, shard }: { readonly ledger: Ledger; readonly run: RunScript; readonly shard: number },
  now: number,
): Promise<number> {
  const { expiries } = shardKeys(shard);
  const members = await ledger.redis.zrangebyscore(expiries, "-inf", now, "LIMIT", 0, EXPIRIES_A_PASS_MAX);
  const due = members.map((member) => {
    const [id = "", batch = "", namespace = ""] = member.split(" ");
    return { member, id: runIdIn(shard, id), batch, namespace };
  });
  const garbage = due.filter(({ id }) => id === undefined).map(({ member }) => member);
  if (garbage.length > 0) await ledger.redis.zrem(expiries, ...garbage);
  let forgotten = 0;
  const known = due.flatMap(({ id, batch, namespace }) =>
    id === undefined ? [] : [{ id, batch, namespace }],
  );
  for (let from = 0; from < known.length; from += AT_ONCE) {
    const some = known.slice(from, from + AT_ONCE);
    const [count] = await run(
      "forget",
      some.map(({ id }) => runKeys(id).run),
      [
        ledger.shards === 1 ? "0" : String(KEPT_FOR_SHARDS_MS),
        ...some.flatMap(({ batch, namespace }) => [batch, namespace]),
      ],
    );
    forgotten += Number(count);
  }
  return forgotten;
}
