/** The error that says how to get a Redis, when nothing on the machine can give one. */
import { BatonError } from "@baton/core";

const INSTALL_LINES = [
  "Debian, Ubuntu   sudo apt-get install redis-server",
  "Fedora           sudo dnf install valkey",
  "Arch             sudo pacman -S valkey",
  "Alpine           sudo apk add valkey",
  "macOS            brew install redis",
  "Windows          in WSL: sudo apt-get install redis-server",
];

/** `tried` says, one by one, why each way did not work. */
export function noRedisError(tried: readonly string[]): BatonError {
  const lines = [
    `no Redis could be started (${tried.join("; ")}). Install one, or set BATON_REDIS_URL to one that runs:`,
    ...INSTALL_LINES.map((line) => `  ${line}`),
  ];
  return new BatonError("redis_unreachable", lines.join("\n"));
}
