/**
 * A producer that has only the HTTP API: what it says of runs, batches and pools is what a producer on Redis says, and what
 * it throws has the same codes. While the server is away it waits for it, as the other waits for Redis.
 */
import { BatonError, type IdSource, type ModelId } from "@baton/core";
import type { LiveWorker, PoolSettingsPatch } from "@baton/store";
import { z } from "zod";
import type { PoolView } from "../pool-views.ts";
import type { RunService } from "../run-service.ts";
import { poolOfWire, wirePoolSchema, wireWorkerSchema, workerOfWire } from "../wire-pool.ts";
import { RemoteBatches } from "./remote-batches.ts";
import { ServerClient, type ServerClientOptions } from "./server-client.ts";
import { parseServerUrl } from "./server-url.ts";

export interface RemoteProducerOptions extends Omit<ServerClientOptions, "server"> {
  /** Such as `https://baton.example.com`. */
  readonly server: string;
}

const poolsSchema = z.object({ data: z.array(wirePoolSchema) });
const workersSchema = z.object({ data: z.array(wireWorkerSchema) });

export class RemoteProducer extends RemoteBatches implements RunService {
  readonly #client: ServerClient;

  private constructor(client: ServerClient, ids: IdSource) {
    super({ client, random: ids.random });
    this.#client = client;
  }

  /** Throws `server_unreachable` at once when nothing answers there. */
  static async connect({ server, ...options }: RemoteProducerOptions): Promise<RemoteProducer> {
    const client = new ServerClient({ ...options, server: parseServerUrl(server) });
    await client.greet();
    return new RemoteProducer(client, options.ids);
  }

  /** Where the API is, for people. */
  get server(): string {
    return this.#client.name;
  }

  async pools(): Promise<readonly PoolView[]> {
    const { data } = await this.#client.json({ method: "GET", path: "/v1/pools" }, poolsSchema);
    return data.map(poolOfWire);
  }

  async pool(pool: ModelId, { evenUnknown }: { readonly evenUnknown?: boolean } = {}): Promise<PoolView> {
    try {
      return poolOfWire(await this.#client.json({ method: "GET", path: poolPath(pool) }, wirePoolSchema));
    } catch (error) {
      if (evenUnknown !== true || !(error instanceof BatonError) || error.code !== "not_found") throw error;
      return {
        ...{ pool, backlog: 0, admission: 0, delayed: 0, oldestWaitMs: 0, active: 0, workers: 0, places: 0 },
        ...{
          failing: 0,
          endedLastMinute: 0,
          headroom: { requests: null, tokens: null },
          held: undefined,
          settings: {},
        },
      };
    }
  }

  /** Those that beat within the last seconds. A key needs the scope `operate` for it. */
  async workers(): Promise<readonly LiveWorker[]> {
    const { data } = await this.#client.json({ method: "GET", path: "/v1/workers" }, workersSchema);
    return data.map(workerOfWire);
  }

  async pausePool(pool: ModelId): Promise<void> {
    await this.#client.json({ method: "POST", path: `${poolPath(pool)}/pause` }, wirePoolSchema);
  }

  async resumePool(pool: ModelId): Promise<void> {
    await this.#client.json({ method: "POST", path: `${poolPath(pool)}/resume` }, wirePoolSchema);
  }

  /** null clears a setting, what is absent stays; where all is absent there is nothing to do. */
  async setPool(pool: ModelId, { maxActive, ...same }: PoolSettingsPatch): Promise<void> {
    const body = { ...same, max_active: maxActive };
    if (Object.values(body).every((value) => value === undefined)) return;
    await this.#client.json({ method: "PATCH", path: poolPath(pool), body }, wirePoolSchema);
  }
}

function poolPath(pool: ModelId): string {
  return `/v1/pools/${encodeURIComponent(pool)}`;
}
