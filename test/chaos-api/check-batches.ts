/** `batches`: a reader of results was told each line as its run ended, and nothing of anybody else's. */
import { textOf } from "@baton/core";
import { isReply } from "../chaos/check-story.ts";
import type { History } from "../chaos/history.ts";
import type { Breach } from "./judge.ts";
import type { ApiStories } from "./stories.ts";

export function checkBatches({ planned, lines }: ApiStories, { runs }: History): readonly Breach[] {
  const found: Breach[] = [];
  for (const { mark, batch } of planned) {
    if (batch === undefined) continue;
    const of = (what: string): void => void found.push({ check: "batches", where: mark, what });
    const own = runs.filter((one) => one.mark === mark);
    const told = lines.filter((line) => line.customId === mark);
    const last = told.at(-1);
    if (last === undefined) {
      of("its result was not told");
      continue;
    }
    const [ended] = own;
    if (ended === undefined || own.length !== 1) {
      of(`the line is ${own.length} runs`);
      continue;
    }
    const { run, items } = ended;
    if (told.some((line) => line.batch !== batch || line.runId !== run.id))
      of("it was told under another run or batch");
    const text = run.status === "succeeded" ? textOf(items.findLast(isReply) ?? { parts: [] }) : null;
    if (last.status !== run.status || (text !== null && last.text !== text)) {
      of(
        `it was told as ${last.status} with ${last.text?.length} characters, and ${run.status} with ${text?.length}`,
      );
    }
    // Those that end within one millisecond may come again; one that was retried ends once more.
    const ends = Map.groupBy(told, (line) => `${line.status} ${line.text}`);
    if (ends.size > 2) of(`it was told in ${ends.size} ways`);
  }
  for (const line of lines) {
    if (planned.some(({ mark, batch }) => mark === line.customId && batch === line.batch)) continue;
    found.push({ check: "batches", where: line.customId, what: `nobody planned this line of ${line.batch}` });
  }
  return found;
}
