/** `baton api`: serves the HTTP API until a signal. */
import { stopSignal } from "@baton/worker-app";
import { type ApiFlags, startCommandApi } from "../api-flags.ts";
import { openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";

export interface ApiCommandFlags extends ApiFlags {
  /** Seconds. */
  readonly drain: number;
  readonly json?: boolean;
}

export async function api(flags: ApiCommandFlags): Promise<ExitCode> {
  await using context = await openCommand({ quiet: flags.json === true });
  const { terminal, redis } = context;
  const running = await startCommandApi(context, flags);
  try {
    const line = { ready: true, url: running.url, redis };
    terminal.out(
      flags.json === true
        ? `${JSON.stringify(line)}\n`
        : `The API is at ${running.url}, on ${redis}. Ctrl-C stops it.\n`,
    );
    await stopSignal();
  } finally {
    await running.stop(flags.drain * 1_000);
  }
  return EXIT.done;
}
