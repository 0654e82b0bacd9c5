/** A run as files have it: a line of JSON, and a text to read. */
import type { RunOutcome } from "./audit.ts";
import { duration, grouped } from "./layout.ts";
import { labelOf } from "./run-view.ts";

/** The result as one line of JSON Lines, with the word that its models were simulated. */
export function resultLine({ result }: RunOutcome): string {
  return `${JSON.stringify({ ...result, simulated: true })}\n`;
}

/** Who wrote it, the text with its sources, and how it came about. */
export function textFile(outcome: RunOutcome): string {
  const { topic, result } = outcome;
  const [researcher = "nobody", writer = researcher] = result.models_used;
  const head = [
    `> **${topic.id}**: ${topic.form}, on ${topic.subject}.`,
    `> Researched by ${labelOf(researcher)}, written by ${labelOf(writer)}. Simulated models stood in for both; no real model was asked.`,
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
