/** What the API has told so far, for requests that ask about it: the last ids, cursors and marks of each sort. */
const KEPT_MAX = 200;
const RUN = /\br_\d{1,3}_[0-9A-HJKMNP-TV-Z]{26}\b/g;
const BATCH = /\bb_[0-9a-f]{20}\b/g;
const CURSOR = /"(?:next_)?cursor":"([^"\\]{1,400})"/g;
const EVENT = /^id: (\d+-\d+)$/gm;
const STATUS = /^\{"id":"(r_[^"]{1,40})"[^{}]{0,2000}?"status":"(\w+)"/;

/** What stands in while nothing of the sort is known. */
const UNKNOWN: Readonly<Record<string, string>> = {
  batch: "b_00000000000000000000",
  cursor: "bm9uZQ",
  event: "0-0",
  etag: '"none"',
};

export class World {
  readonly #known = new Map<string, string[]>();
  readonly #fixed: Readonly<Record<string, readonly string[]>>;
  /** All runs that were ever told. */
  readonly runs = new Set<string>();

  /** `fixed`: the sorts that the API does not tell, such as `host` and `key`. */
  constructor(fixed: Readonly<Record<string, readonly string[]>>) {
    this.#fixed = fixed;
  }

  /** Puts known values where a text says `@sort:number@`. */
  fill(text: string): string {
    return text.replace(/@([a-z]+):(\d+)@/g, (_whole, sort: string, number: string) =>
      this.#pick(sort, Number(number)),
    );
  }

  learn(body: string, etag: string | undefined): void {
    for (const [id] of body.matchAll(RUN)) {
      if (!this.runs.has(id)) this.#keep("run", id);
      this.runs.add(id);
    }
    for (const [id] of body.matchAll(BATCH)) this.#keep("batch", id);
    for (const [, cursor = ""] of body.matchAll(CURSOR)) this.#keep("cursor", cursor);
    for (const [, id = ""] of body.matchAll(EVENT)) this.#keep("event", id);
    const [, id, status] = STATUS.exec(body) ?? [];
    // At the same place the run and its mark.
    if (etag !== undefined && id !== undefined && this.#known.get("etag")?.at(-1) !== etag) {
      this.#keep("etag", etag);
      this.#keep("marked", id, false);
    }
    if (id !== undefined && status !== undefined) this.#keep(status, id);
  }

  #pick(sort: string, number: number): string {
    const known = this.#fixed[sort] ?? this.#known.get(sort) ?? [];
    return known[number % Math.max(known.length, 1)] ?? UNKNOWN[sort] ?? `r_0_${"0".repeat(26)}`;
  }

  #keep(sort: string, value: string, once = true): void {
    const known = this.#known.get(sort) ?? [];
    if (once && known.at(-1) === value) return;
    known.push(value);
    if (known.length > KEPT_MAX) known.shift();
    this.#known.set(sort, known);
  }
}
