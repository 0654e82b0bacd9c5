/** A run's text as a file to read: who wrote it, the text with its sources, and how it came about. */
import type { RunOutcome } from "./audit.ts";
import { duration, grouped } from "./layout.ts";
import { labelOf } from "./run-view.ts";

export function textFile(outcome: RunOutcome): string {
  const { topic, result } = outcome;
  const writer = result.phases.findLast((phase) => phase.turns > 0)?.model ?? "nobody";
  const head = [
    `> **${topic.id}**: ${topic.form}, on ${topic.subject}.`,
    `> Written by ${labelOf(writer)}: a simulated model stood in for it, no real model was asked.`,
  ];
  const body = result.final_output ?? `*No text: the run ${result.status}. ${result.error?.message ?? ""}*`;
  return [head.join("\n>\n"), body, "---", ...history(outcome)].join("\n\n").concat("\n");
}

function history({ result, toolUses, takeovers, workedMs }: RunOutcome): string[] {
  const phases = result.phases.map(
    ({ seq, model, status, attempts, turns, usage }) =>
      `| ${seq + 1} | ${labelOf(model)} | ${status} | ${attempts} | ${turns} | ${grouped(usage.input_tokens)} | ${grouped(usage.output_tokens)} |`,
  );
  const table = [
    "| phase | model | status | attempts | turns | tokens in | tokens out |",
    "|---|---|---|---|---|---|---|",
    ...phases,
  ];
  const { usage } = result;
  const lost = takeovers === 0 ? "" : " Its worker was killed on the way; another went on.";
  return [
    "### How it came about",
    table.join("\n"),
    `Tools called over MCP:\n\n${toolUses.map((use) => `- \`${use.name}\` \`${use.arguments}\``).join("\n")}`,
    `Run \`${result.id}\`: ${duration(workedMs)}, ${grouped(usage.input_tokens)} tokens in and ${grouped(usage.output_tokens)} out.${lost}`,
  ];
}
