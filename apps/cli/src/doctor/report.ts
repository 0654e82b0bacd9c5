/** How the report looks: a group's name, then its lines, wrapped under the column of what was found. */
import { clean, type Terminal } from "../terminal.ts";
import type { Check, Group, Status } from "./check.ts";

const NAME_WIDTH = 15;
const INDENT = 8;
const COLOURS = { ok: "green", warn: "yellow", fail: "red" } as const;
const TITLES: Readonly<Record<Group, string>> = {
  machine: "This machine",
  redis: "Redis",
  providers: "Providers",
  tools: "Tools",
  workers: "Workers and pools",
  reconciler: "Reconciler",
};

type Style = Terminal["style"];

export interface Look {
  /** Characters in a line. */
  readonly width: number;
  readonly style: Style;
}

/** One group as lines; the text of others is cleaned of control characters. */
export function renderGroup(group: Group, checks: readonly Check[], look: Look): string {
  const title = look.style("bold", TITLES[group]);
  return `${title}\n${checks.map((check) => renderCheck(check, look)).join("")}\n`;
}

/** `all is well`, or how many lines are not. */
export function renderSummary(checks: readonly Check[], { style }: Look): string {
  const number = (status: Status): number => checks.filter((check) => check.status === status).length;
  const [failed, warned] = [number("fail"), number("warn")];
  const parts = [
    style("green", `${number("ok")} ok`),
    ...(warned > 0 ? [style("yellow", `${warned} ${warned === 1 ? "warning" : "warnings"}`)] : []),
    ...(failed > 0 ? [style("red", `${failed} failed`)] : []),
  ];
  return `${parts.join(", ")}\n`;
}

function renderCheck({ status, name, found, advice }: Check, { width, style }: Look): string {
  const indent = " ".repeat(INDENT + NAME_WIDTH + 1);
  const room = Math.max(20, width - indent.length);
  const [first = "", ...rest] = wrap(clean(found), room);
  const label = clean(name);
  // A name that is too long for its column has a line of its own.
  const lines =
    label.length > NAME_WIDTH ? [label, `${indent}${first}`] : [`${label.padEnd(NAME_WIDTH)} ${first}`];
  const mark = style(COLOURS[status], status.padEnd(4));
  const body = [...lines, ...rest.map((line) => indent + line)];
  const todo = advice === undefined ? [] : wrap(clean(advice), room - 2);
  const told = todo.map((line, place) => style("cyan", `${indent}${place === 0 ? "→" : " "} ${line}`));
  return [...[`  ${mark}  ${body[0]}`, ...body.slice(1)], ...told]
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

/** Lines of at most `width` characters, broken between words where there are any. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).filter((one) => one !== "")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
    while (line.length > width && !line.includes(" ")) {
      lines.push(line.slice(0, width));
      line = line.slice(width);
    }
  }
  return line === "" ? lines : [...lines, line];
}
