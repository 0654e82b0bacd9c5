/** A doorway for people: what hinders it is said in a sentence. What that takes is loaded only when it is needed. */
import { type Doorway, type DoorwayOptions, openDoorway } from "./doorway.ts";

export type { Doorway } from "./doorway.ts";

/** Throws `invalid_config` when nobody can listen there. */
export async function openApiDoorway(options: DoorwayOptions): Promise<Doorway> {
  try {
    return await openDoorway(options);
  } catch (error) {
    const { BatonError } = await import("@baton/core");
    const { host, port } = options;
    const why = error instanceof Error && "code" in error ? String(error.code) : String(error);
    const place = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    const advice =
      why === "EADDRINUSE"
        ? "another process listens there: end it, or choose another --port, or 0 for a free one"
        : "choose another --host or --port";
    throw new BatonError("invalid_config", `the API cannot listen at ${place} (${why}): ${advice}`, {
      cause: error,
    });
  }
}
