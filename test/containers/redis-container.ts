/** A durable Redis in a container, as docker-compose.yml sets it up; it and its data go when it is disposed. */
import { GenericContainer, type StartedNetwork, Wait } from "testcontainers";
import { labels, redisImage } from "./images.ts";

const REDIS_PORT = 6379;

/** What containers of its network call it. */
export const REDIS_ALIAS_URL = `redis://redis:${REDIS_PORT}`;

/** As docker-compose.yml has it, but for the place of the data. */
const COMMAND = [
  ...["redis-server", "--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"],
  // The official image has it off: a container's neighbours are not on its loopback.
  ...["--protected-mode", "no"],
];

export interface RedisContainer extends AsyncDisposable {
  /** For this machine. */
  readonly url: string;
}

export async function startRedisContainer(network?: StartedNetwork): Promise<RedisContainer> {
  const container = new GenericContainer(redisImage())
    .withCommand(COMMAND)
    .withLabels(labels())
    .withExposedPorts(REDIS_PORT)
    .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/));
  if (network !== undefined) container.withNetwork(network).withNetworkAliases("redis");
  const started = await container.start();
  return {
    url: `redis://${started.getHost()}:${started.getMappedPort(REDIS_PORT)}`,
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
  };
}
