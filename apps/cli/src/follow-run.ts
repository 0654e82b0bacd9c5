/**
 * Follows a run to its end. On Redis itself its models are served here where nobody else does; behind an API they are the
 * server's to serve, and it is said when nobody does. Ctrl-C lets go of the run without ending it: what this process was
 * doing is handed back, and `baton runs watch` goes on.
 */
import { isTerminal, type RunId, type RunSpec } from "@baton/core";
import type { WaitingRun } from "@baton/producer";
import { closingLine } from "./closing-line.ts";
import type { CommandContext } from "./command-context.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { EventRenderer } from "./render-events.ts";
import { modelsNamedBy, unservedOf } from "./served-models.ts";
import { clean } from "./terminal.ts";

export interface FollowOptions {
  readonly json: boolean;
  /** Event id to go on after; absent: begin with what is there. */
  readonly after?: string;
}

const DRAIN_MS = 0;

export async function followRun(
  context: CommandContext,
  runId: RunId,
  spec: RunSpec,
  options: FollowOptions,
): Promise<ExitCode> {
  const { terminal, runs } = context;
  const letGo = new AbortController();
  const onSignal = (): void => letGo.abort();
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const worker = await servedHere(context, runId, spec);
  try {
    await sayUnserved(context, runId, spec);
    const isShown = terminal.interactive && !options.json;
    if (isShown) await show(context, runId, options, letGo.signal);
    const result = await runs.result(runId, letGo.signal, isShown ? undefined : waitTeller(context));
    if (letGo.signal.aborted && !isTerminal((await runs.get(runId)).run.status)) {
      terminal.err(`\nThe run goes on without you: baton runs watch ${runId}\n`);
      return EXIT.done;
    }
    if (options.json) terminal.out(`${JSON.stringify(result)}\n`);
    else if (!terminal.interactive && result.final_output !== null) terminal.out(`${result.final_output}\n`);
    if (result.status !== "succeeded" && !terminal.interactive) {
      terminal.err(
        `baton: run ${runId} ${result.status}${result.error === undefined ? "" : `: ${clean(result.error.message)}`}\n`,
      );
    }
    return result.status === "succeeded" ? EXIT.done : EXIT.runFailed;
  } finally {
    await worker?.stop(DRAIN_MS);
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}

/** A worker of this process, if one is needed and this process may be one. */
async function servedHere(context: CommandContext, runId: RunId, spec: RunSpec) {
  if (context.at === "server") return undefined;
  // Loaded here alone: it loads all that serves models.
  const { serveHere } = await import("./local-worker.ts");
  const { run } = await context.runs.get(runId);
  return serveHere(context, spec, run.model);
}

/** Behind an API nobody here would work on the run: whoever waits for it should know when nobody there does either. */
export async function sayUnserved(
  { at, runs, terminal }: CommandContext,
  runId: RunId,
  spec: RunSpec,
): Promise<void> {
  if (at !== "server") return;
  const { run } = await runs.get(runId);
  if (isTerminal(run.status)) return;
  const unserved = await unservedOf(runs, [run.model, ...modelsNamedBy(spec)]);
  if (unserved.length === 0) return;
  const models = unserved.map(clean).join(", ");
  terminal.err(`baton: no live worker of the server serves ${models}: the run waits where it needs one\n`);
}

/** Where nothing is shown, a run that waits for a person would look as if it hung. Each wait is told once. */
function waitTeller({ terminal }: CommandContext): (run: WaitingRun) => void {
  let told: number | undefined;
  return ({ id, epoch, reason, detail }) => {
    if (told === epoch) return;
    told = epoch;
    const what = detail === undefined ? "" : `: ${clean(detail)}`;
    terminal.err(`baton: run ${id} waits (${reason})${what}; see \`baton runs show ${id}\`\n`);
  };
}

async function show(
  context: CommandContext,
  runId: RunId,
  options: FollowOptions,
  signal: AbortSignal,
): Promise<void> {
  const { terminal, runs } = context;
  terminal.out(terminal.style("dim", `run ${runId}\n`));
  const renderer = new EventRenderer(terminal, context.labelOf);
  for await (const { event } of runs.watch(runId, { after: options.after }, signal)) renderer.render(event);
  if (signal.aborted) return;
  const { run } = await runs.get(runId);
  const result = await runs.resultNow(runId);
  terminal.out(terminal.style("dim", `\n${closingLine(run, result)}\n`));
}
