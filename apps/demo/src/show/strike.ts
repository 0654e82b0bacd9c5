/**
 * The blow in the middle: one worker of the researcher's pool is killed with SIGKILL while it has phases at work,
 * and the time is taken until each of them goes on elsewhere. Which phases it had is asked of the ledger after its
 * death, when nothing of it can change any more, so what is told is true.
 */
import type { RunEvent, RunId } from "@baton/core";
import type { Producer } from "@baton/producer";
import type { Crew } from "./crew.ts";
import { counted, duration } from "./layout.ts";
import type { Progress } from "./progress.ts";
import { loseWorker, type RunView, silent } from "./run-view.ts";
import type { WorkerProcess } from "./worker-process.ts";

export interface StrikeOptions {
  readonly victim: WorkerProcess;
  readonly crew: Crew;
  readonly views: Map<RunId, RunView>;
  readonly producer: Producer;
  readonly progress: Progress;
  readonly now: () => number;
}

export interface StrikeReport {
  readonly worker: string;
  readonly pid: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Runs that the worker had, each with the time until it went on; undefined: it never did. */
  readonly runs: ReadonlyMap<RunId, number | undefined>;
}

const PHASES_HIT_MIN = 3;

export class Strike {
  readonly #options: StrikeOptions;
  #at = 0;
  /** Epochs under which the dead worker had its runs. */
  readonly #epochs = new Map<RunId, number>();
  readonly #wentOnAfterMs = new Map<RunId, number>();
  #striking: Promise<void> | undefined;

  constructor(options: StrikeOptions) {
    this.#options = options;
  }

  /** Looks whether the moment has come; at each event. */
  consider(): void {
    if (this.#striking !== undefined) return;
    const { victim, views } = this.#options;
    if (!isMoment([...views.values()], heldBy(this.#options), victim.model)) return;
    this.#striking = this.#strike();
    // Awaited by `report`; until then a failure must not count as unhandled.
    this.#striking.catch(() => undefined);
  }

  /** Sees each event. Whether it was the first sign of life of a run that was lost; then that was said. */
  saw(runId: RunId, event: RunEvent): boolean {
    const epoch = this.#epochs.get(runId);
    if (event.type !== "phase" || epoch === undefined || event.epoch <= epoch) return false;
    if (this.#wentOnAfterMs.has(runId)) return false;
    const { crew, views, progress, now } = this.#options;
    const afterMs = now() - this.#at;
    this.#wentOnAfterMs.set(runId, afterMs);
    const view = views.get(runId);
    const place = crew.workerOf(runId, event.epoch) ?? "another worker";
    const turn = `turn ${(view?.turns ?? 0) + 1}`;
    progress.say(
      `↻ run ${view?.topic} goes on at ${place} from ${turn}, ${duration(afterMs)} after the kill`,
      "yellow",
    );
    return true;
  }

  /** Undefined when the moment never came. */
  async report(): Promise<StrikeReport | undefined> {
    if (this.#striking === undefined) return undefined;
    await this.#striking;
    const { victim } = this.#options;
    const runs = [...this.#epochs.keys()].map((id) => [id, this.#wentOnAfterMs.get(id)] as const);
    return { worker: victim.name, pid: victim.pid, at: this.#at, runs: new Map(runs) };
  }

  async #strike(): Promise<void> {
    const { victim, crew, views, producer, progress, now } = this.#options;
    this.#at = now();
    await victim.kill();
    for (const { runId, epoch } of crew.claimsOf(victim)) {
      const { run } = await producer.get(runId);
      const view = views.get(runId);
      if (run.status !== "running" || run.epoch !== epoch || view === undefined) continue;
      this.#epochs.set(runId, epoch);
      views.set(runId, loseWorker(view));
    }
    const lost = [...this.#epochs.keys()].flatMap((id) => views.get(id) ?? []);
    const topics = lost.map((view) => view.topic).join(", ");
    progress.say(
      `✂ SIGKILL ${victim.name} (pid ${victim.pid}) in the middle of ${counted(lost.length, "phase")}: ${topics}`,
      ["bold", "red"],
    );
    for (const view of lost) progress.show(silent(view));
  }
}

/**
 * Whether now is the moment, given all runs and those that the victim has at work. A third of the research is done,
 * and the victim has at least three phases, all with replies in the ledger that must not be bought again. When no
 * phase is left to be taken, one is enough.
 */
export function isMoment(all: readonly RunView[], held: readonly RunView[], model: string): boolean {
  const researched = all.filter((view) => view.model !== model).length;
  const isLast = !all.some((view) => view.state === "waiting" && view.model === model);
  return (
    researched >= all.length / 3 &&
    held.length >= (isLast ? 1 : PHASES_HIT_MIN) &&
    held.every((view) => view.turns > 0)
  );
}

function heldBy({ victim, crew, views }: StrikeOptions): RunView[] {
  return crew.claimsOf(victim).flatMap(({ runId, epoch }) => {
    const view = views.get(runId);
    return view?.state === "working" && view.epoch === epoch ? [view] : [];
  });
}
