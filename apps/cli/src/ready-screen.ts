/** What a person sees when a command serves: where everything is, and how it ends. */
import { type Terminal, table } from "./terminal.ts";

export interface Served {
  /** `Baton`, `The API` … */
  readonly what: string;
  readonly api?: string | undefined;
  readonly models?: readonly string[] | undefined;
  readonly redis: string;
  readonly metrics?: string | undefined;
}

export function readyScreen(
  { what, api, models, redis, metrics }: Served,
  { style }: Pick<Terminal, "style">,
) {
  const rows = [
    ["API", api],
    ["Models", models?.join(", ")],
    ["Redis", redis],
    ["Metrics", metrics === undefined ? undefined : `${metrics}/metrics`],
  ] as const;
  const known = rows.flatMap(([name, value]) => (value === undefined ? [] : [[`  ${name}`, value]]));
  return [
    `${style("bold", `${what} is ready.`)}\n\n`,
    table(known),
    `\n${style("dim", "Ctrl-C lets what is under way end, and stops; once more stops at once.")}\n\n`,
  ].join("");
}
