/** Faults as a schedule plans them, and what breaks them one by one when they are due and heals them. */
import { setTimeout as delay } from "node:timers/promises";
import { writeLine } from "./files.ts";

export interface Planned<Kind extends string> {
  /** Milliseconds after the start. */
  readonly atMs: number;
  readonly kind: Kind;
  /** Of what is hit, where there are several of it; else any number, for what there is to choose. */
  readonly slot: number;
  /** How long it lasts, in milliseconds; of a killed process, until there is a new one. */
  readonly durationMs: number;
}

export interface BreakingOptions<Fault extends Planned<string>> {
  /** By the time at which they begin. */
  readonly faults: readonly Fault[];
  readonly durationMs: number;
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Resolves when it is healed. */
  readonly strike: (fault: Fault) => Promise<void>;
  /** What comes behind the last fault, when the time is over and all is healed. */
  readonly settle: () => Promise<void>;
  /** How far it is, beside the faults; asked now and then and in the end. */
  readonly progress: () => string;
  readonly onProgress: (line: string) => void;
}

const PROGRESS_EVERY_MS = 10_000;

export async function breakAndHeal<Fault extends Planned<string>>(
  options: BreakingOptions<Fault>,
): Promise<void> {
  const { faults, durationMs, folder, signal } = options;
  const startedAt = Date.now();
  const open = new Set<Promise<void>>();
  let due = 0;
  const until = (ms: number): Promise<void> =>
    delay(Math.max(0, startedAt + ms - Date.now()), undefined, { signal });
  const tell = (): void => options.onProgress(`${due} of ${faults.length} faults, ${options.progress()}`);
  const timer = setInterval(tell, PROGRESS_EVERY_MS);
  try {
    for (const fault of faults) {
      await until(fault.atMs);
      due += 1;
      const done = options
        .strike(fault)
        .catch((error: unknown) => {
          writeLine(folder, "notes", {
            at: Date.now(),
            note: `${fault.kind} could not be done: ${String(error)}`,
          });
        })
        .finally(() => open.delete(done));
      open.add(done);
    }
    await until(durationMs);
    await Promise.all(open);
    await options.settle();
    tell();
  } finally {
    clearInterval(timer);
    // What is broken is healed before anything else. An abort leaves it as it is: Redis may be away for good then.
    if (!signal.aborted) await Promise.all(open);
  }
}
