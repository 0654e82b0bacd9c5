/** `baton pools …`: what steers pools: pausing and resuming them, and their live settings. */
import { BatonError, type ModelId, matchesModelPattern } from "@baton/core";
import type { RunService } from "@baton/producer";
import { openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { unlessForbidden } from "../may-look.ts";
import { parseModel } from "../typed-ids.ts";
import { settingsText } from "./pools-list.ts";

interface JsonFlag {
  readonly json?: boolean;
}

export { list } from "./pools-list.ts";

/** A number sets; `none` clears; what is absent stays. */
export interface SetFlags extends JsonFlag {
  readonly concurrency?: number | "none";
  readonly maxActive?: number | "none";
  readonly rpm?: number | "none";
  readonly tpm?: number | "none";
}

/** Sets what is given, and tells what is set then. */
export async function set(model: string, { json, ...flags }: SetFlags): Promise<ExitCode> {
  const pool = parseModel(model);
  await using context = await openCommand({ quiet: json === true });
  const { runs } = context;
  const known = await knownPools(runs).catch(unlessForbidden);
  if (known?.includes(pool) === false) context.terminal.err(noteOf(pool));
  const numberOf = (flag: number | "none" | undefined) => (flag === "none" ? null : flag);
  await runs.setPool(pool, {
    concurrency: numberOf(flags.concurrency),
    maxActive: numberOf(flags.maxActive),
    rpm: numberOf(flags.rpm),
    tpm: numberOf(flags.tpm),
  });
  const isActed = Object.values(flags).some((flag) => flag !== undefined);
  const look = runs.pool(pool, { evenUnknown: true });
  const view = await (isActed ? look.catch(unlessForbidden) : look);
  if (view === undefined) {
    const told = `${pool}  ${settingsText(flags)}`;
    context.terminal.out(`${json === true ? JSON.stringify({ pool, set: flags }) : told}
`);
    return EXIT.done;
  }
  const { settings } = view;
  const text = settingsText(settings) ?? "nothing is set: the configuration holds";
  context.terminal.out(json === true ? `${JSON.stringify({ pool, settings })}\n` : `${pool}  ${text}\n`);
  return EXIT.done;
}

export function pause(models: readonly string[], flags: JsonFlag): Promise<ExitCode> {
  return onEach(models, "paused", flags);
}

export function resume(models: readonly string[], flags: JsonFlag): Promise<ExitCode> {
  return onEach(models, "resumed", flags);
}

async function onEach(
  models: readonly string[],
  did: "paused" | "resumed",
  flags: JsonFlag,
): Promise<ExitCode> {
  const named = models.filter((model) => !model.endsWith("*")).map(parseModel);
  const patterns = models.filter((model) => model.endsWith("*"));
  await using context = await openCommand({ quiet: flags.json === true });
  const { runs } = context;
  // Names need no look: a key that may steer pools and not look at them has done it.
  const looked = knownPools(runs);
  const known = await (patterns.length === 0 ? looked.catch(unlessForbidden) : looked);
  const matching = (known ?? []).filter((pool) =>
    patterns.some((pattern) => matchesModelPattern(pattern, pool)),
  );
  if (named.length + matching.length === 0) {
    throw new BatonError(
      "invalid_spec",
      `there is no pool like ${patterns.join(", ")}: \`baton pools ls\` lists them`,
    );
  }
  for (const pool of new Set<ModelId>([...named, ...matching])) {
    if (known?.includes(pool) === false) context.terminal.err(noteOf(pool));
    await (did === "paused" ? runs.pausePool(pool) : runs.resumePool(pool));
    context.terminal.out(flags.json === true ? `${JSON.stringify({ pool, did })}\n` : `${pool} ${did}\n`);
  }
  return EXIT.done;
}

async function knownPools(runs: RunService): Promise<readonly ModelId[]> {
  return (await runs.pools()).map(({ pool }) => pool);
}

/** A name that was mistyped looks so. */
function noteOf(pool: ModelId): string {
  return `note: no run was ever sent to ${pool}, and no worker has opened it\n`;
}
