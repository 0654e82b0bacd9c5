/** A real Redis Cluster for a test: three primaries with a replica each, all processes of their own. */
import { setTimeout as delay } from "node:timers/promises";
import { freePort, RedisServer } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const PRIMARIES = 3;
const SLOTS = 16_384;
/** How long a node is silent before it counts as failed, in milliseconds: a failover takes about twice as long. */
const NODE_TIMEOUT_MS = 1_000;

export interface RedisCluster extends AsyncDisposable {
  readonly url: string;
  readonly servers: readonly RedisServer[];
  /** Those that are primaries now and answer. */
  primaries(): Promise<readonly RedisServer[]>;
  /** The primary that answers for a key; undefined when none does. */
  ownerOf(key: string): Promise<RedisServer | undefined>;
  /** Ends the primary that owns a key (`owner`, when it is known), and resolves when its replica has taken over. */
  failOver(key: string, how: "kill" | "freeze", owner?: RedisServer): Promise<void>;
}

export async function startCluster(): Promise<RedisCluster> {
  await using started = new AsyncDisposableStack();
  const servers: RedisServer[] = [];
  for (let count = 0; count < 2 * PRIMARIES; count += 1) {
    const settings = [
      "cluster-enabled yes",
      `cluster-node-timeout ${NODE_TIMEOUT_MS}`,
      `cluster-port ${await freePort()}`,
      "cluster-require-full-coverage no",
      "repl-diskless-sync-delay 0",
    ];
    servers.push(started.use(await RedisServer.start({ settings })));
  }
  const [first] = servers;
  if (first === undefined) throw new Error("a cluster has servers");
  for (const [place, { client }] of servers.slice(0, PRIMARIES).entries()) {
    const from = Math.floor((SLOTS * place) / PRIMARIES);
    const to = Math.floor((SLOTS * (place + 1)) / PRIMARIES) - 1;
    await client.call("CLUSTER", "ADDSLOTSRANGE", from, to);
    await client.call("CLUSTER", "SET-CONFIG-EPOCH", place + 1);
  }
  const busPort = await busPortOf(first);
  for (const { client } of servers.slice(1)) {
    await client.call("CLUSTER", "MEET", "127.0.0.1", first.port, busPort);
  }
  await everybody(servers, "all servers to know each other", async ({ client }) => {
    return (await nodesOf(client)).filter(({ isConnected }) => isConnected).length === servers.length;
  });
  for (const [place, { client }] of servers.slice(PRIMARIES).entries()) {
    await client.call("CLUSTER", "REPLICATE", String(await servers[place]?.client.call("CLUSTER", "MYID")));
  }
  await everybody(servers, "a cluster that is well", async ({ client }) => {
    const isOk = String(await client.call("CLUSTER", "INFO")).includes("cluster_state:ok");
    const replicas = (await nodesOf(client)).filter(({ flags }) => flags.includes("slave"));
    return isOk && replicas.length === PRIMARIES;
  });
  await everybody(servers.slice(PRIMARIES), "replicas in step", async ({ client }) =>
    (await client.info("replication")).includes("master_link_status:up"),
  );
  const resources = started.move();
  const primaries = () => primariesOf(servers);
  return {
    url: `redis-cluster://${servers.map(({ address }) => address).join(",")}`,
    servers,
    primaries,
    ownerOf: (key) => ownerOf(servers, key),
    async failOver(key, how, known) {
      const owner = known ?? (await ownerOf(servers, key));
      if (owner === undefined) throw new Error(`nobody owns ${key}`);
      if (how === "kill") await owner.kill();
      else owner.freeze();
      const others = servers.filter((server) => server !== owner);
      await until(async () => (await ownerOf(others, key)) !== undefined, {
        what: "a replica to take over",
        withinMs: 20_000,
      });
    },
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

async function primariesOf(servers: readonly RedisServer[]): Promise<readonly RedisServer[]> {
  const roles = await Promise.all(servers.map(roleOf));
  return servers.filter((_, place) => roles[place] === "master");
}

async function ownerOf(servers: readonly RedisServer[], key: string): Promise<RedisServer | undefined> {
  for (const server of await primariesOf(servers)) {
    const isOwner = await server.client.exists(key).then(
      () => true,
      () => false,
    );
    if (isOwner) return server;
  }
  return undefined;
}

/** Undefined for a server that does not answer at once. */
async function roleOf({ client }: RedisServer): Promise<string | undefined> {
  if (client.status !== "ready") return undefined;
  const role = client.role().then(([name]) => String(name));
  return Promise.race([role.catch(() => undefined), delay(500, undefined, { ref: false })]);
}

async function busPortOf({ client }: RedisServer): Promise<string> {
  const port = /@(\d+)/.exec(String(await client.call("CLUSTER", "NODES")))?.[1];
  if (port === undefined) throw new Error("a server of a cluster has a bus");
  return port;
}

async function nodesOf(client: RedisServer["client"]) {
  const lines = String(await client.call("CLUSTER", "NODES"))
    .trim()
    .split("\n");
  return lines.map((line) => {
    const fields = line.split(" ");
    return { flags: fields[2] ?? "", isConnected: fields[7] === "connected" };
  });
}

async function everybody(
  servers: readonly RedisServer[],
  what: string,
  is: (server: RedisServer) => Promise<boolean>,
): Promise<void> {
  await until(async () => (await Promise.all(servers.map(is))).every(Boolean), { what, withinMs: 30_000 });
}
