/** The names that a mistaken one may have meant, the nearest first. */

const NAMES_MAX = 5;
const CHARS_MAX = 100;

export function nearbyNames(wanted: string, names: readonly string[]): readonly string[] {
  const key = normalise(wanted);
  return names
    .map((name) => ({ name, distance: distanceOf(key, normalise(name)) }))
    .filter(({ distance, name }) => distance <= Math.max(2, Math.min(key.length, name.length) / 2))
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, NAMES_MAX)
    .map(({ name }) => name);
}

function normalise(name: string): string {
  return name
    .slice(0, CHARS_MAX)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_");
}

/** Levenshtein's distance; a name that holds the other whole counts as near. */
function distanceOf(a: string, b: string): number {
  if (a.length > 2 && b.length > 2 && (a.includes(b) || b.includes(a))) return 1;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
