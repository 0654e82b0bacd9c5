/** Asks whatever listens at an address who it is. Never throws for what the other side does. */
import { Redis } from "ioredis";

const ANSWER_MS_MAX = 3_000;
/** The last three: of a path that no socket can have, as too long a one, which a folder that was moved has in its record. */
const NOBODY: ReadonlySet<string> = new Set(["ENOENT", "ECONNREFUSED", "EINVAL", "ENAMETOOLONG", "ENOTDIR"]);

export type ProbeAnswer =
  /** Nobody listens. */
  | { readonly kind: "none" }
  /** Somebody accepts connections but says nothing, or not what Redis says. */
  | { readonly kind: "silent"; readonly why: string }
  | {
      readonly kind: "loading" | "ready";
      readonly pid: number;
      readonly version: string;
      /** The server's working folder, as the server sees it. */
      readonly dir: string;
    };

/** `url` is a socket path or a Redis URL. */
export async function probe(url: string): Promise<ProbeAnswer> {
  const client = new Redis(url, {
    lazyConnect: true,
    enableReadyCheck: false,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  // One limit for all of it: a server that hangs still accepts connections.
  const late = setTimeout(() => client.disconnect(), ANSWER_MS_MAX);
  // The promise of `connect` says only that the connection closed; the event says why.
  let failure: NodeJS.ErrnoException | undefined;
  client.on("error", (error: NodeJS.ErrnoException) => {
    failure ??= error;
  });
  try {
    await client.connect();
    const [info, dir] = await Promise.all([client.info(), client.call("CONFIG", "GET", "dir")]);
    return readAnswer(info, dir);
  } catch (error) {
    if (NOBODY.has(failure?.code ?? "")) return { kind: "none" };
    return { kind: "silent", why: (failure ?? (error instanceof Error ? error : undefined))?.message ?? "" };
  } finally {
    clearTimeout(late);
    client.disconnect();
  }
}

function readAnswer(info: string, dir: unknown): ProbeAnswer {
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:(.*)$`, "m").exec(info)?.[1]?.trim();
  const pid = Number(field("process_id"));
  const version = field("valkey_version") ?? field("redis_version");
  const folder: unknown = Array.isArray(dir) ? dir[1] : undefined;
  if (!Number.isInteger(pid) || version === undefined || typeof folder !== "string") {
    return { kind: "silent", why: "what answers is not Redis" };
  }
  return { kind: field("loading") === "0" ? "ready" : "loading", pid, version, dir: folder };
}
