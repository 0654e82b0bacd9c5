/**
 * The slow walk that holds the indexes against the records and sets them right, both ways: from the records (found by
 * SCAN, so that one which is in no index is found too) and from the members of each index (so that one whose run is
 * gone is found). Each pass goes on a little in one of the walks. The script `audit` compares and repairs a run at
 * one moment; the record is the truth. Nothing is ever out of step while all goes well, so this heals what was lost or
 * changed outside of the scripts.
 */
import type { RunId } from "@baton/core";
import { z } from "zod";
import type { Healed } from "./heal-log.ts";
import { reconcilerKeys, runKeys, shardKeys } from "./keys.ts";
import { type RedisClient, serverOf } from "./redis-client.ts";
import type { RunScript } from "./scripts.ts";
import { runIdIn } from "./shards.ts";
import { SpaceWalk } from "./space-walk.ts";
import { spaceRunsKey, sweepSpace } from "./spaces.ts";

/** Keys that one SCAN visits; of five or six keys one is the record of a run. */
const KEYS_A_STEP = 400;
const MEMBERS_A_STEP = 80;
const AT_ONCE = 100;
/** How much faster the walk along the records goes when something else hints at a fault. */
const HURRY = 4;
/** A walk that came to its end rests for so long, so that a small store is not walked through all the time. */
const REST_MS = 20_000;

type Index = "status" | "running" | "deadlines";
type Walk = Index | "records" | "spaces";

/** The records are five times as many keys, so theirs is every other step. */
const OTHERS = ["status", "running", "deadlines", "spaces"] as const;
const WALKS: readonly Walk[] = OTHERS.flatMap((walk) => ["records", walk] as const);

const foundSchema = z.array(z.tuple([z.number()], z.string()));

export class IndexAudit {
  readonly #redis: RedisClient;
  readonly #run: RunScript;
  readonly #shard: number;
  readonly #cursors = new Map<Walk, string>();
  readonly #restsUntil = new Map<Walk, number>();
  readonly #spaces: SpaceWalk;
  #turn = 0;
  #hurries = false;
  #hurriesUntil = 0;
  /** Walks along the records that were begun, the last of those that found nothing, and whether this one has. */
  #walksBegun = 0;
  #lastCleanWalk = 0;
  #foundFault = false;

  constructor(redis: RedisClient, run: RunScript, shard = 0) {
    this.#redis = redis;
    this.#run = run;
    this.#shard = shard;
    this.#spaces = new SpaceWalk(redis, shard);
  }

  /** A walk along the records begins soon and goes faster; returns its number. */
  hurry(): number {
    this.#hurries = true;
    this.#hurriesUntil = this.#walksBegun + 1;
    return this.#hurriesUntil;
  }

  /** Whether the walk of this number, or one behind it, went through all records and found nothing out of step. */
  hasSeenAllWell(walk: number): boolean {
    return this.#lastCleanWalk >= walk;
  }

  /** Goes on a little in the walk whose turn it is. */
  async step(now: number): Promise<readonly Healed[]> {
    const walk = this.#hurries ? "records" : (WALKS[this.#turn % WALKS.length] ?? "records");
    this.#turn += 1;
    if (!this.#hurries && now < (this.#restsUntil.get(walk) ?? 0)) return [];
    const cursor = this.#cursors.get(walk) ?? "0";
    if (walk === "records") return this.#walkRecords(cursor, now);
    if (walk === "spaces") return this.#walkSpaces(now);
    const index = shardKeys(this.#shard)[walk];
    const [next, page] = await this.#redis.zscan(index, cursor, "COUNT", MEMBERS_A_STEP);
    this.#wentTo(walk, next, now);
    const members = page.filter((_, place) => place % 2 === 0);
    return [...(await this.repair(members)), ...(await this.removeGarbage(walk, this.#garbageIn(members)))];
  }

  /**
   * Compares the runs with the indexes, and sets these right. A run is given by its id, or by its member in the status
   * index or in that of `namespace`; what is neither is left out.
   */
  async repair(members: readonly string[], namespace = ""): Promise<readonly Healed[]> {
    const known = members.filter((member) => runIdIn(this.#shard, idOf(member)) !== undefined);
    const healed: Healed[] = [];
    for (let from = 0; from < known.length; from += AT_ONCE) {
      healed.push(...(await this.#audit(known.slice(from, from + AT_ONCE), namespace)));
    }
    return healed;
  }

  /** Takes members out of an index that are no runs of ours: nothing else can be done with them. */
  removeGarbage(index: Index | "live", members: readonly string[]): Promise<readonly Healed[]> {
    return this.#remove(shardKeys(this.#shard)[index], index, members);
  }

  async #remove(key: string, name: string, members: readonly string[]): Promise<readonly Healed[]> {
    if (members.length === 0) return [];
    await this.#redis.zrem(key, ...members);
    return members.map((member) => ({
      what: "index",
      detail: `${name}: no run id: ${member.slice(0, 60)}`,
    }));
  }

  #garbageIn(members: readonly string[]): readonly string[] {
    return members.filter((member) => runIdIn(this.#shard, idOf(member)) === undefined);
  }

  async #walkSpaces(now: number): Promise<readonly Healed[]> {
    const { pages, isOver } = await this.#spaces.step();
    if (isOver) this.#restsUntil.set("spaces", now + REST_MS);
    const healed: Healed[] = [];
    for (const { namespace, members, isLast } of pages) {
      const key = spaceRunsKey(this.#shard, namespace);
      healed.push(...(await this.repair(members, namespace)));
      healed.push(...(await this.#remove(key, "space", this.#garbageIn(members))));
      if (isLast) await sweepSpace(this.#run, this.#shard, namespace);
    }
    return healed;
  }

  async #walkRecords(cursor: string, now: number): Promise<readonly Healed[]> {
    if (cursor === "0") {
      this.#walksBegun += 1;
      this.#foundFault = false;
    }
    const { runPattern, leader } = reconcilerKeys(this.#shard);
    const count = KEYS_A_STEP * (this.#hurries ? HURRY : 1);
    // Of a cluster it is the server that has this shard. A cursor of another one (a failover came between) goes on at any
    // place of its keys, so that some are met in the next walk only.
    const server = serverOf(this.#redis, leader);
    const [next, keys] = await server.scan(cursor, "MATCH", runPattern, "COUNT", count);
    const healed = await this.repair(keys.map((key) => key.slice(key.lastIndexOf(":") + 1)));
    this.#wentTo("records", next, now);
    if (healed.some(({ what }) => what === "index")) this.#foundFault = true;
    if (next === "0") {
      if (!this.#foundFault) this.#lastCleanWalk = this.#walksBegun;
      // A walk that was under way when the haste began does not count as the one that was asked for.
      this.#hurries = this.#hurries && this.#walksBegun < this.#hurriesUntil;
    }
    return healed;
  }

  /** Redis' cursor is 0 again at the end. */
  #wentTo(walk: Walk, cursor: string, now: number): void {
    this.#cursors.set(walk, cursor);
    if (cursor === "0") this.#restsUntil.set(walk, now + REST_MS);
  }

  async #audit(members: readonly string[], namespace: string): Promise<readonly Healed[]> {
    // Only members that hold run ids come here.
    const ids = members.map((member) => idOf(member) as RunId);
    const groups = members.map((member) => member.slice(0, Math.max(0, member.indexOf("/"))));
    const reply = await this.#run(
      "audit",
      ids.map((id) => runKeys(id).run),
      ["repair", namespace, ...groups],
    );
    return foundSchema.parse(reply).flatMap(([place, ...what]): Healed[] => {
      if (what.includes("corrupt")) return [{ what: "corrupt", runId: ids[place] }];
      // What an ended run leaves behind is the ordinary end of its retention.
      if (what.every((one) => one === "ended-")) return [];
      return [{ what: "index", runId: ids[place], detail: what.join(" ") }];
    });
  }
}

/** Of `<group>/<run id>` or of the id alone. */
function idOf(member: string): string {
  return member.slice(member.indexOf("/") + 1);
}
