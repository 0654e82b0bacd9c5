/** The settings that make the server durable, the same for a process and a container. */

export const DURABLE_SETTINGS: readonly string[] = [
  "appendonly yes",
  "appendfsync everysec",
  // What a crash cut off is taken away before the start, whole scripts at a time (append-only-repair.ts). Redis
  // itself may keep half a script: a cut inside of its last command leaves the transaction open.
  "aof-load-truncated no",
  // The append-only file is the one truth; snapshots beside it would only cost writes.
  'save ""',
  "maxmemory-policy noeviction",
  "daemonize no",
];

/** Redis reads strings of its configuration like C does. */
export function quoteSetting(text: string): string {
  const escaped = [...Buffer.from(text)].map((byte) => {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    return isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  });
  return `"${escaped.join("")}"`;
}
