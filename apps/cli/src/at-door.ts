/**
 * `baton api` and `baton up` listen before they load what answers: a client whose API was killed comes again within half a
 * second, and finds the one that takes its place.
 */
import type { Doorway } from "@baton/api/doorway";
import type { Stopping } from "@baton/worker-app/serve";
import type { ApiFlags } from "./api-flags.ts";
import { earlyStop } from "./early-stop.ts";
import { endHeld } from "./end-held.ts";
import type { ExitCode } from "./exit-code.ts";

/** An API that was started, as far as it matters for the end of its process. */
export interface ServedApi {
  readonly isHeldByDisk: boolean;
}

/** Listens, then serves. Whoever waits is cut when nobody comes to serve. `served` is told which API does. */
export async function atDoor(
  { host, port }: ApiFlags,
  serve: (doorway: Doorway, stopping: Stopping, served: (api: ServedApi) => void) => Promise<ExitCode>,
): Promise<ExitCode> {
  let api: ServedApi | undefined;
  using stopping = earlyStop();
  const { openApiDoorway } = await import("@baton/api/doorway");
  await using doorway = await openApiDoorway({ host, port });
  try {
    return await serve(doorway, stopping, (started) => {
      api = started;
    });
  } finally {
    if (api?.isHeldByDisk === true) endHeld();
  }
}
