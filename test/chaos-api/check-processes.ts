/** `idle` and `logs`: what API processes and workers hold and wrote when all is over. */
import type { History } from "../chaos/history.ts";
import { isQuiet } from "./idle.ts";
import type { Breach } from "./judge.ts";
import type { ApiStories } from "./stories.ts";

/** Far above what a process of this kind takes, and far below what takes a machine down. */
export const RSS_MB_MAX = 400;

export function checkIdle({ idle }: ApiStories): readonly Breach[] {
  const looks = idle.filter(({ when }) => when === "end");
  if (looks.length === 0) return [{ check: "idle", where: "all", what: "nobody looked at the end" }];
  return looks.flatMap((look): Breach[] => {
    const { api, requestsOpen, streamsOpen, sockets, rssMb } = look;
    const held = `${requestsOpen} requests, ${streamsOpen} streams and ${sockets} sockets are open`;
    return [
      ...(isQuiet(look) ? [] : [{ check: "idle" as const, where: api, what: held }]),
      ...(rssMb <= RSS_MB_MAX ? [] : [{ check: "idle" as const, where: api, what: `it takes ${rssMb} MB` }]),
    ];
  });
}

/** What no fault of ours may bring about. */
const BROKEN =
  /unhandled|uncaught|MaxListenersExceeded|TypeError|ReferenceError|RangeError|AssertionError|ERR_HTTP_HEADERS_SENT|"level":(?:"fatal"|60)/i;
const SHOWN_CHARS = 400;

export function checkLogs({ notes }: ApiStories, { texts }: History): readonly Breach[] {
  const lines = texts
    .filter(({ where }) => where.endsWith(".log"))
    .flatMap(({ where, text }) =>
      text
        .split("\n")
        .filter((line) => BROKEN.test(line))
        .map((line): Breach => ({ check: "logs", where, what: line.slice(0, SHOWN_CHARS) })),
    );
  return [...lines, ...notes.map((what): Breach => ({ check: "logs", where: "harness", what }))];
}
