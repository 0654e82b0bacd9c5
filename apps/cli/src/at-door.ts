/**
 * `baton api` and `baton up` listen before they load what answers: a client whose API was killed comes again within half a
 * second, and finds the one that takes its place.
 */
import type { Doorway } from "@baton/api/doorway";
import type { Stopping } from "@baton/worker-app/serve";
import type { ApiFlags } from "./api-flags.ts";
import { earlyStop } from "./early-stop.ts";
import type { ExitCode } from "./exit-code.ts";

/** Listens, then serves. Whoever waits is cut when nobody comes to serve. */
export async function atDoor(
  { host, port }: ApiFlags,
  serve: (doorway: Doorway, stopping: Stopping) => Promise<ExitCode>,
): Promise<ExitCode> {
  using stopping = earlyStop();
  const { openApiDoorway } = await import("@baton/api/doorway");
  await using doorway = await openApiDoorway({ host, port });
  return await serve(doorway, stopping);
}
