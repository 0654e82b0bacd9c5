/**
 * `baton doctor`: what commonly goes wrong, and what to do about it. It opens no store as other commands do, since
 * these refuse a Redis that is unfit, and start one that is missing.
 */
import type { Check } from "../doctor/check.ts";
import { examine } from "../doctor/examine.ts";
import { renderGroup, renderSummary } from "../doctor/report.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { openTerminal } from "../terminal.ts";

export interface DoctorFlags {
  readonly online?: boolean;
  readonly json?: boolean;
}

const WIDTH_MAX = 110;

/** Exit code 1 when a line says `fail`, 3 when Redis could not be reached. */
export async function doctor(flags: DoctorFlags): Promise<ExitCode> {
  const terminal = openTerminal();
  const columns = process.stdout.columns ?? WIDTH_MAX;
  const look = { width: Math.min(columns, WIDTH_MAX), style: terminal.style };
  const { checks, isUnreachable } = await examine({
    variables: process.env,
    folder: process.cwd(),
    online: flags.online === true,
    onGroup: (group, told) => {
      if (flags.json !== true) terminal.out(renderGroup(group, told, look));
    },
  });
  const isWell = checks.every(({ status }: Check) => status !== "fail");
  terminal.out(
    flags.json === true ? `${JSON.stringify({ ok: isWell, checks })}\n` : renderSummary(checks, look),
  );
  if (isUnreachable) return EXIT.unreachable;
  return isWell ? EXIT.done : EXIT.runFailed;
}
