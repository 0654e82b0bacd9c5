/** Goes through the indexes of all namespaces of a shard, a little at a time, and then anew. */
import { spaceKeys } from "./keys.ts";
import type { RedisClient } from "./redis-client.ts";
import { spaceRunsKey } from "./spaces.ts";

export interface SpacePage {
  readonly namespace: string;
  /** `<group>/<run id>`, and whatever else stands there. */
  readonly members: readonly string[];
  /** There are no more of this namespace. */
  readonly isLast: boolean;
}

/** Members of an index, and names of namespaces, that one command asks for. */
const MEMBERS_A_PAGE = 80;
const NAMES_A_PAGE = 40;
/** What a namespace costs even if it has few runs, in members. */
const NAMESPACE_COSTS = 4;

export class SpaceWalk {
  readonly #redis: RedisClient;
  readonly #shard: number;
  /** Namespaces that were read and are not walked through yet, the first of them with its cursor. */
  #names: readonly string[] = [];
  #membersCursor = "0";
  #namesCursor = "0";

  constructor(redis: RedisClient, shard: number) {
    this.#redis = redis;
    this.#shard = shard;
  }

  /** The next pages, for about as many members; `isOver` when they are the last ones of this walk. */
  async step(): Promise<{ readonly pages: readonly SpacePage[]; readonly isOver: boolean }> {
    const pages: SpacePage[] = [];
    if (this.#names.length === 0) {
      const { namespaces } = spaceKeys(this.#shard);
      [this.#namesCursor, this.#names] = await this.#redis.sscan(
        namespaces,
        this.#namesCursor,
        "COUNT",
        NAMES_A_PAGE,
      );
    }
    for (let left = MEMBERS_A_PAGE; left > 0; ) {
      const page = await this.#nextPage();
      if (page === undefined) break;
      pages.push(page);
      left -= page.members.length + NAMESPACE_COSTS;
    }
    // Redis' cursor is 0 again at the end.
    return { pages, isOver: this.#names.length === 0 && this.#namesCursor === "0" };
  }

  async #nextPage(): Promise<SpacePage | undefined> {
    const [namespace, ...others] = this.#names;
    if (namespace === undefined) return undefined;
    const index = spaceRunsKey(this.#shard, namespace);
    const [next, flat] = await this.#redis.zscan(index, this.#membersCursor, "COUNT", MEMBERS_A_PAGE);
    this.#membersCursor = next;
    if (next === "0") this.#names = others;
    return { namespace, members: flat.filter((_, place) => place % 2 === 0), isLast: next === "0" };
  }
}
