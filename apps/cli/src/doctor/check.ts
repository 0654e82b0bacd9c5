/**
 * What a check is. Facts are gathered apart from being judged: the judging functions are pure, take facts and return
 * findings. Every gathering has a time limit, and one that throws becomes a line of its own, so that one sick part
 * never hides the others.
 */
const GROUPS = ["machine", "redis", "providers", "tools", "workers", "reconciler"] as const;
export type Group = (typeof GROUPS)[number];
export type Status = "ok" | "warn" | "fail";

/** One line of the report. */
export interface Finding {
  readonly name: string;
  readonly status: Status;
  /** What was found, in a few words. */
  readonly found: string;
  /** What to do about it. */
  readonly advice?: string;
}

export interface Check extends Finding {
  readonly group: Group;
}

export function ok(name: string, found: string): Finding {
  return { name, status: "ok", found };
}

export function warn(name: string, found: string, advice: string): Finding {
  return { name, status: "warn", found, advice };
}

export function fail(name: string, found: string, advice: string): Finding {
  return { name, status: "fail", found, advice };
}

export interface Attempt {
  /** Names the line when it goes wrong. */
  readonly name: string;
  readonly limitMs: number;
  /** Takes secrets out of text that came from elsewhere. */
  readonly scrub: (text: string) => string;
}

/** The findings of `work`, or a line that says why there are none. Never throws. */
export async function attempt(
  { name, limitMs, scrub }: Attempt,
  work: (signal: AbortSignal) => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await within(limitMs, work);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return [
      fail(
        name,
        `could not be examined: ${scrub(message)}`,
        "the lines above may say why; else report a bug",
      ),
    ];
  }
}

/** What `work` gives; at the limit its signal is aborted and this throws, whether `work` listens or not. */
export async function within<Value>(
  limitMs: number,
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const late = new AbortController();
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new Error(`no answer within ${limitMs / 1_000} s`);
    late.abort(error);
    reject(error);
  }, limitMs);
  try {
    return await Promise.race([work(late.signal), tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
