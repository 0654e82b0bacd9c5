/** `baton api`: serves the HTTP API until a signal. */
import type { Doorway } from "@baton/api/doorway";
import type { Stopping } from "@baton/worker-app/serve";
import { type ApiFlags, startCommandApi } from "../api-flags.ts";
import type { ServedApi } from "../at-door.ts";
import { openLocal } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { keepMemoryFlat } from "../flat-memory.ts";
import { readyScreen } from "../ready-screen.ts";

export interface ApiCommandFlags extends ApiFlags {
  /** Seconds. */
  readonly drain: number;
  readonly json?: boolean;
}

export async function api(
  flags: ApiCommandFlags,
  doorway: Doorway,
  stop: Stopping,
  served: (api: ServedApi) => void,
): Promise<ExitCode> {
  // Batches of any size come in and go out through it.
  keepMemoryFlat();
  await using context = await openLocal({ quiet: flags.json === true });
  const { terminal, redis } = context;
  const running = await startCommandApi(context, flags, doorway);
  served(running);
  try {
    // Whoever reads that it is ready may stop it at once.
    const stopping = stop.started();
    const line = { ready: true, url: running.url, redis };
    terminal.out(
      flags.json === true
        ? `${JSON.stringify(line)}\n`
        : readyScreen({ what: "The API", api: running.url, redis }, terminal),
    );
    await stopping;
  } finally {
    await running.stop(flags.drain * 1_000);
  }
  return EXIT.done;
}
