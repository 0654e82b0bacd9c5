/** What the caller of `startRedis` passes and gets. */

export interface StartRedisOptions {
  /** Baton's data folder; Redis keeps everything it has in `<dataDir>/redis/`. Made when it is missing. */
  readonly dataDir: string;
  /**
   * The environment of the caller. `BATON_REDIS_URL` names a server that runs already; `PATH` is searched for
   * programs; `HOME`, `XDG_CACHE_HOME`, `TMPDIR` name folders; proxies and certificates are for apt and Docker.
   * The Redis process itself gets `PATH` alone, so that no key of the caller ends in its environment.
   */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where a fetched Redis is kept; default `defaultCacheDir(env)`. */
  readonly cacheDir?: string;
  /** Gets one line for each thing that a person may want to know. */
  readonly log?: (line: string) => void;
  /** What to run where a Docker engine is the only way; default `redis:7`. */
  readonly dockerImage?: string;
  /** How long a server may take to its first answer, loading its data not counted; default 15 s. */
  readonly answerWithinMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * - `external`: given by `BATON_REDIS_URL`; nothing was started or even contacted.
 * - `started`: a process of this caller.
 * - `docker`: a container of this caller.
 * - `adopted`: it ran already, but its owner is dead; this caller owns it now.
 * - `attached`: it runs already and has a living owner.
 *
 * `stop()` ends what is owned (`started`, `docker`, `adopted`) and does nothing for the other two.
 */
export type RedisKind = "external" | "started" | "docker" | "adopted" | "attached";

export interface RedisHandle extends AsyncDisposable {
  /** What `new Redis(url)` takes: the absolute path of a unix socket, or a `redis://` URL, maybe with password. */
  readonly url: string;
  readonly kind: RedisKind;
  /** Of the server, such as `7.0.15`; unknown when it is external. */
  readonly version: string | undefined;
  /** Of the server process; unknown when it is external or in a container. */
  readonly pid: number | undefined;
  /** Ends the server when it is owned: resolves once it is gone and its data is on disk. Safe to call twice. */
  stop(): Promise<void>;
}
