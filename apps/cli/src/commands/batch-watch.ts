/**
 * `baton batch watch`: a batch until its end. On a terminal it is drawn over itself; elsewhere it is a line now and then;
 * with `--json` a line each second. Ctrl-C lets go of it and changes nothing.
 */
import { type BatchStatus, wireBatch } from "@baton/producer";
import { batchNotes, endedOf, expectedOf, progressText, runsText, Speedometer } from "../batch-view.ts";
import { type CommandContext, openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { openOutput } from "../output.ts";
import { StatusLine } from "../status-line.ts";
import { count } from "../terminal.ts";

interface WatchFlags {
  readonly json?: boolean;
}

/** Shows a look at the batch. */
type Show = (status: BatchStatus, speed: Speedometer) => Promise<void>;

const EVERY_MS = { drawn: 500, told: 1_000 } as const;
const LINE_EVERY_MS = 5_000;

export async function watch(id: string, flags: WatchFlags): Promise<ExitCode> {
  using interrupt = listenForInterrupt();
  await using context = await openCommand({ quiet: flags.json === true });
  const isDrawn = flags.json !== true && process.stderr.isTTY === true;
  using line = new StatusLine();
  const output = openOutput();
  const show = flags.json === true ? asJson(output) : isDrawn ? drawn(context, line) : asLines(context);
  const signal = AbortSignal.any([interrupt.signal, output.closed]);
  const speed = new Speedometer();
  let last: BatchStatus | undefined;
  const everyMs = isDrawn ? EVERY_MS.drawn : EVERY_MS.told;
  for await (const status of context.runs.watchBatch(id, signal, everyMs)) {
    speed.note(performance.now(), status);
    last = status;
    await show(status, speed);
  }
  line.keep();
  if (last === undefined || !last.isOver) {
    if (!output.closed.aborted)
      context.terminal.err(`The batch goes on without you: baton batch watch ${id}\n`);
    return EXIT.done;
  }
  if (flags.json !== true) await sumUp(context, last, isDrawn);
  return last.runs.failed + last.runs.cancelled === 0 ? EXIT.done : EXIT.runFailed;
}

function asJson(output: ReturnType<typeof openOutput>): Show {
  return async (status, speed) => {
    const rate = speed.perSecond();
    const rest = speed.restMs(status);
    await output.line({
      ...wireBatch(status),
      runs_per_second: rate === undefined ? null : Math.round(rate * 100) / 100,
      eta_seconds: rest === undefined || status.isOver ? null : Math.round(rest / 1_000),
    });
  };
}

function drawn(context: CommandContext, line: StatusLine): Show {
  return async (status, speed) => {
    const notes = status.isOver ? [] : await batchNotes(context, status);
    const painted = notes.map((note) => context.terminal.style("yellow", note));
    line.update(() => [progressText(status, speed, context.terminal), ...painted].join("\n"), { now: true });
  };
}

/** When something changed, every five seconds at most, and at the end. */
function asLines({ terminal }: CommandContext): Show {
  let told = "";
  let toldAt = Number.NEGATIVE_INFINITY;
  return async (status) => {
    const text = runsText(status);
    const now = performance.now();
    if (text === told || (now - toldAt < LINE_EVERY_MS && !status.isOver)) return;
    [told, toldAt] = [text, now];
    terminal.out(`${count(endedOf(status))} of ${count(expectedOf(status))} runs ended: ${text}\n`);
  };
}

async function sumUp(context: CommandContext, status: BatchStatus, isDrawn: boolean): Promise<void> {
  for (const note of await batchNotes(context, status)) context.terminal.err(`${note}\n`);
  if (isDrawn && status.runs.succeeded > 0) {
    context.terminal.err(`its results: \`baton batch results ${status.id}\`\n`);
  }
}
