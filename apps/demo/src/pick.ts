/** Choices that look free and are not: the same seed gives the same choices in the same order. */

/** Takes one of `options`; the same list is gone through without repeating until all were taken. */
export type Pick = <T>(options: readonly [T, ...T[]]) => T;

export function pickBy(seed: string): Pick {
  let state = hashOf(seed);
  const left = new Map<unknown, unknown[]>();
  return <T>(options: readonly [T, ...T[]]): T => {
    // Keyed by the list itself: what is stored under a list of T is a list of T.
    const stored = left.get(options) as T[] | undefined;
    const rest = stored === undefined || stored.length === 0 ? [...options] : stored;
    state = next(state);
    const [taken = options[0]] = rest.splice(state % rest.length, 1);
    left.set(options, rest);
    return taken;
  };
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** One step of an integer mixer (a multiplicative congruential generator with its high bits folded down). */
function next(state: number): number {
  const step = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return (step ^ (step >>> 15)) >>> 0;
}
