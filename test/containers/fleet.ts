/**
 * What docker-compose.yml sets up, piece by piece, so that a test can break the pieces: a Redis container, worker
 * containers of Baton's image, a producer on this machine, and simulated models that all workers reach.
 */

import type { Pace } from "@baton/demo";
import { type ConnectedProducer, connectProducer } from "@baton/producer";
import { type ConnectedStore, connectStore } from "@baton/store";
import { GenericContainer, Network, type StartedTestContainer, Wait } from "testcontainers";
import { command } from "./command.ts";
import { batonImage, labels } from "./images.ts";
import { REDIS_ALIAS_URL, startRedisContainer } from "./redis-container.ts";
import { EXTRA_HOST, openSimulatedHost, type SimulatedHost } from "./simulated-host.ts";

const START_MS = 60_000;

export interface WorkerContainer {
  readonly id: string;
  /** What its worker calls itself in Redis. */
  readonly hostname: string;
  /** Runs a program in it; resolves with its output. */
  exec(program: readonly string[]): Promise<string>;
  kill(): Promise<void>;
  /** As `docker stop` does: SIGTERM, and SIGKILL after the grace period. */
  stop(graceSeconds: number): Promise<{ readonly exitCode: number; readonly tookMs: number }>;
  /** What it has written so far, both streams. */
  logs(): Promise<string>;
}

export interface Fleet extends AsyncDisposable {
  readonly models: SimulatedHost["models"];
  readonly producer: ConnectedProducer["producer"];
  readonly store: ConnectedStore;
  startWorker(options: { concurrency: number; drainSeconds: number }): Promise<WorkerContainer>;
}

export async function openFleet(pace: Pace): Promise<Fleet> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await openSimulatedHost(pace));
  const network = stack.adopt(await new Network().start(), async (started) => {
    await started.stop();
  });
  const { url } = stack.use(await startRedisContainer(network));
  const connected = stack.use(await connectProducer({ url }));
  const store = stack.use(await connectStore({ url, retentionMs: 0, onError: () => undefined }));
  const workers = stack.use(new AsyncDisposableStack());
  const owned = stack.move();
  return {
    models: host.models,
    producer: connected.producer,
    store,
    async startWorker({ concurrency, drainSeconds }) {
      const container = await new GenericContainer(batonImage())
        .withCommand([
          ...["worker", "--json", "-m", "openai/*", "-m", "anthropic/*"],
          ...["--concurrency", String(concurrency), "--drain", String(drainSeconds)],
        ])
        .withEnvironment({
          BATON_REDIS_URL: REDIS_ALIAS_URL,
          OPENAI_API_KEY: "simulated",
          ANTHROPIC_API_KEY: "simulated",
        })
        .withLabels(labels())
        .withCopyContentToContainer([{ content: host.config, target: "/app/config/baton.config.json" }])
        .withNetwork(network)
        .withExtraHosts([EXTRA_HOST])
        .withWaitStrategy(Wait.forLogMessage(/"ready":true/))
        .withStartupTimeout(START_MS)
        .start();
      workers.use(container);
      return workerOf(container);
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

function workerOf(container: StartedTestContainer): WorkerContainer {
  const id = container.getId();
  return {
    id,
    hostname: id.slice(0, 12),
    exec: (program) => command("docker", ["exec", id, ...program]),
    kill: async () => {
      await command("docker", ["kill", "--signal", "KILL", id]);
    },
    async stop(graceSeconds) {
      const started = performance.now();
      await command("docker", ["stop", "--time", String(graceSeconds), id], {
        withinMs: (graceSeconds + 30) * 1_000,
      });
      const tookMs = performance.now() - started;
      const code = await command("docker", ["inspect", "--format", "{{.State.ExitCode}}", id]);
      return { exitCode: Number(code), tookMs };
    },
    logs: () => command("sh", ["-c", 'docker logs "$0" 2>&1', id]),
  };
}
