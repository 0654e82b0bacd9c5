/** Sends many cases over several connections at once, and judges each exchange. */
import { Connection, type Exchange } from "./exchange.ts";
import { type FuzzCase, keepsConnection, wireOf } from "./fuzz-case.ts";
import { type Breach, judge } from "./judge.ts";
import type { Tally } from "./tally.ts";
import type { World } from "./world.ts";

export interface StormOptions {
  readonly port: number;
  readonly caseAt: (index: number) => FuzzCase;
  readonly from: number;
  readonly count: number;
  readonly world: World;
  readonly secrets: readonly string[];
  readonly tally: Tally;
  readonly onProgress?: ((sent: number) => void) | undefined;
}

const LANES = 24;
/** Of the connections that stay, so many are asked again for what they must answer. */
const PROBE_EVERY = 4;
const PROGRESS_EVERY = 1_000;
/** So much is broken that more of it says nothing new. */
const BREACHES_MAX = 200;

export async function storm(options: StormOptions): Promise<void> {
  let next = options.from;
  const end = options.from + options.count;
  const lane = async (): Promise<void> => {
    await using own = new Lane(options);
    while (next < end && options.tally.breaches < BREACHES_MAX) {
      const index = next;
      next += 1;
      await own.send(index);
      if ((index + 1) % PROGRESS_EVERY === 0) options.onProgress?.(index + 1);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

class Lane implements AsyncDisposable {
  readonly #options: StormOptions;
  #connection: Connection | undefined;

  constructor(options: StormOptions) {
    this.#options = options;
  }

  async send(index: number): Promise<void> {
    const { port, caseAt, world, tally, secrets } = this.#options;
    const one = caseAt(index);
    const wire = wireOf(one, (text) => world.fill(text));
    // Bytes that are no request must not stand behind one that the server still reads.
    if (!keepsConnection(one)) this.#leave();
    const { connection, exchange } = await exchanged(port, this.#connection, one, wire);
    this.#connection = connection;
    tally.count(one, exchange);
    for (const { body, headers } of exchange.answers) world.learn(body, headers.get("etag"));
    const breaches = [...judge(one, exchange, secrets), ...(await this.#settle(one, exchange, index))];
    for (const breach of breaches) tally.blame({ index, one, wire, breach });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leave();
  }

  /** Keeps the connection where the server does, and then looks now and then whether the two are still in step. */
  async #settle(one: FuzzCase, exchange: Exchange, index: number): Promise<readonly Breach[]> {
    const connection = this.#connection;
    const [answer, ...more] = exchange.answers;
    const stays =
      connection !== undefined &&
      keepsConnection(one) &&
      exchange.outcome === "answered" &&
      answer?.headers.get("connection") !== "close" &&
      !connection.isOver;
    if (!stays) {
      this.#leave();
      return [];
    }
    if (more.length > 0) {
      this.#leave();
      return [{ rule: "order", what: `one request has ${exchange.answers.length} answers` }];
    }
    if (index % PROBE_EVERY !== 0) return [];
    const probe = await connection.send(PROBE, Buffer.from(PROBE_BYTES, "latin1"));
    const [told] = probe.answers;
    // A server may close a connection that is idle, and one whose last request it did not read to the end.
    if (probe.outcome === "closed" && told === undefined) this.#leave();
    else if (told?.status !== 200 || told.body !== "ok\n" || probe.answers.length > 1) {
      this.#leave();
      return [
        {
          rule: "order",
          what: `GET /healthz behind it was answered ${told?.status} ${told?.body.slice(0, 100)}`,
        },
      ];
    }
    return [];
  }

  #leave(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }
}

const PROBE_BYTES = "GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
const PROBE: FuzzCase = {
  ...{
    shape: "request",
    family: "right",
    operation: "health",
    method: "GET",
    target: "/healthz",
    headers: [],
  },
  ...{ body: undefined, framing: "length", delivery: { kind: "whole" }, mayLast: false },
};

/** Over the connection, or over another one when the server has closed it meanwhile. */
export async function exchanged(
  port: number,
  kept: Connection | undefined,
  one: FuzzCase,
  wire: Buffer,
): Promise<{ readonly connection: Connection; readonly exchange: Exchange }> {
  if (kept !== undefined && !kept.isOver) {
    const exchange = await kept.send(one, wire);
    const wasIdle =
      exchange.outcome === "closed" && exchange.answers.length === 0 && exchange.begun === undefined;
    if (!wasIdle) return { connection: kept, exchange };
  }
  const connection = await Connection.open(port);
  return { connection, exchange: await connection.send(one, wire) };
}
