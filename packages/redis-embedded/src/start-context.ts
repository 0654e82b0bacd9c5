/** What every step of a start needs: the caller's options with their defaults applied. */
import { defaultCacheDir } from "./cache-dir.ts";
import { type Place, preparePlace } from "./place.ts";
import type { StartRedisOptions } from "./redis-handle.ts";

const ANSWER_MS_MAX = 15_000;

export interface StartContext {
  readonly place: Place;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cacheDir: string;
  readonly dockerImage: string;
  readonly answerWithinMs: number;
  readonly log: (line: string) => void;
}

export async function startContext(options: StartRedisOptions): Promise<StartContext> {
  return {
    place: await preparePlace(options.dataDir, options.env),
    env: options.env,
    cacheDir: options.cacheDir ?? defaultCacheDir(options.env),
    dockerImage: options.dockerImage ?? "redis:7",
    answerWithinMs: options.answerWithinMs ?? ANSWER_MS_MAX,
    log: options.log ?? (() => undefined),
  };
}
