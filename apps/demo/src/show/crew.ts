/**
 * The workers of the demo: two for the researcher's pool, one for the writer's, and who of them holds which phase.
 * They get no real key and no variable that could lead them to a real provider or another Redis.
 */
import type { BatonError, RunId } from "@baton/core";
import { RESEARCH_MODEL, WRITING_MODEL } from "../index.ts";
import type { DemoFolder } from "./demo-folder.ts";
import { type ClaimedPhase, WorkerProcess } from "./worker-process.ts";

/** Few enough that the topics take several rounds: some are done when the worker dies, some are not begun. */
const RESEARCHES_AT_ONCE = 4;
const TEXTS_AT_ONCE = 8;
const PLACES = [
  { model: RESEARCH_MODEL, concurrency: RESEARCHES_AT_ONCE },
  { model: RESEARCH_MODEL, concurrency: RESEARCHES_AT_ONCE },
  { model: WRITING_MODEL, concurrency: TEXTS_AT_ONCE },
];

export interface CrewOptions {
  readonly folder: DemoFolder;
  readonly redisUrl: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Hears of each phase that a worker takes. */
  readonly onClaimed: () => void;
  readonly onLost: (error: BatonError) => void;
}

export class Crew {
  readonly workers: readonly WorkerProcess[];
  /** The latest claim of each run. */
  readonly #claims = new Map<RunId, ClaimedPhase & { readonly worker: string }>();

  constructor(options: CrewOptions) {
    const { folder, onClaimed, onLost } = options;
    const env = workerEnv(options);
    this.workers = PLACES.map(({ model, concurrency }, index) => {
      const name = `worker ${index + 1}`;
      return new WorkerProcess({
        name,
        model,
        concurrency,
        env,
        logFile: folder.logFile(name),
        onClaimed: (claimed) => {
          const known = this.#claims.get(claimed.runId);
          if (known === undefined || known.epoch < claimed.epoch) {
            this.#claims.set(claimed.runId, { ...claimed, worker: name });
          }
          onClaimed();
        },
        onLost,
      });
    });
  }

  async ready(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.ready));
  }

  /** The worker that made this claim of the run, if it is the latest one known. */
  workerOf(runId: RunId, epoch: number): string | undefined {
    const claim = this.#claims.get(runId);
    return claim?.epoch === epoch ? claim.worker : undefined;
  }

  /** Claims after which no other is known of the same run; the phase may have ended since. */
  claimsOf(worker: WorkerProcess): readonly ClaimedPhase[] {
    return [...this.#claims.values()].filter((claim) => claim.worker === worker.name);
  }

  async stop(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.stop()));
  }
}

function workerEnv({ folder, redisUrl, env }: CrewOptions): Record<string, string | undefined> {
  return {
    ...env,
    BATON_REDIS_URL: redisUrl,
    BATON_ENCRYPTION_KEYS: undefined,
    BATON_DATA_DIR: folder.path,
    BATON_CONFIG: folder.configFile,
    BATON_LOG: "debug",
    OPENAI_API_KEY: "simulated",
    ANTHROPIC_API_KEY: "simulated",
    OPENAI_BASE_URL: undefined,
    ANTHROPIC_BASE_URL: undefined,
    XAI_API_KEY: undefined,
  };
}
