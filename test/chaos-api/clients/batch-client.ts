/**
 * A batch: the same file is sent under the same id until it was taken, its results are read as the runs end, and read on
 * behind the last line that came when the connection broke. What failed is retried once, and the results are read anew.
 */
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { batchIdOf, type Task } from "../plan.ts";
import type { Answer, Line } from "../stories.ts";
import { callApi } from "./call-api.ts";
import { verdictOf } from "./verdict.ts";
import { type ClientWorld, write, writeAct, writeAsked } from "./world.ts";

const resultSchema = z.object({
  id: z.string(),
  custom_id: z.string(),
  status: z.string(),
  final_output: z.string().nullable(),
  error: z.object({ code: z.string() }).optional(),
  cursor: z.string(),
});
type Result = z.infer<typeof resultSchema>;

const PATIENCE_MS = 90_000;
const PAUSE_MS = 250;

export async function runBatch(task: Task, world: ClientWorld): Promise<void> {
  const at = Date.now();
  const id = batchIdOf(task);
  const file = task.lines.map(({ mark, spec }) => JSON.stringify({ custom_id: mark, body: spec })).join("\n");
  for (const job of task.lines) writeAsked(world, job, `${id} ${job.mark}`);
  const path = `/v1/batches?id=${encodeURIComponent(id)}`;
  const taken = await callApi(world, { method: "POST", path, lines: `${file}\n` });
  if (taken.status !== 202) throw new Error(`a batch was answered ${taken.status}: ${JSON.stringify(taken)}`);
  let results = await readResults(id, world);
  const failed = [...results.values()].filter(({ status }) => status === "failed");
  if (failed.length > 0) {
    for (const { custom_id: mark } of failed) writeAct(world, mark, "retry");
    await callApi(world, { method: "POST", path: `/v1/batches/${encodeURIComponent(id)}/retry` });
    results = await readResults(id, world);
  }
  for (const { mark } of task.lines) {
    const answer: Answer = {
      ...({ at, endedAt: Date.now(), kind: "batch", isFork: false, asks: 1 } as const),
      mark,
      ...outcomeOf(results.get(mark)),
    };
    write(world, "answers", answer);
  }
}

function outcomeOf(result: Result | undefined): Pick<Answer, "runId" | "outcome"> {
  if (result === undefined) return { outcome: { kind: "gave_up", why: "the results have no such line" } };
  const { id: runId, final_output: text, error, status } = result;
  if (status === "succeeded") return { runId, outcome: { kind: "text", text: text ?? "" } };
  return { runId, outcome: { kind: "refused", code: error?.code ?? status } };
}

/** The last line of each run, by its `custom_id`. */
async function readResults(batch: string, world: ClientWorld): Promise<ReadonlyMap<string, Result>> {
  const found = new Map<string, Result>();
  let after: string | undefined;
  let since = Date.now();
  const hear = (text: string): void => {
    if (text === "") return;
    const result = resultSchema.parse(JSON.parse(text));
    const { id: runId, custom_id: customId, status, final_output } = result;
    const line: Line = { batch, customId, runId, status, text: final_output };
    write(world, "lines", line);
    found.set(customId, result);
    after = result.cursor;
    since = Date.now();
  };
  for (;;) {
    try {
      const isWhole = await readOnce(batch, world, after, hear);
      if (isWhole) return found;
    } catch (error) {
      if (verdictOf(error).kind !== "again") throw error;
    }
    if (Date.now() - since > PATIENCE_MS) return found;
    await delay(PAUSE_MS);
  }
}

/** Whether the answer came to its end. */
async function readOnce(
  batch: string,
  { url, key }: ClientWorld,
  after: string | undefined,
  hear: (line: string) => void,
): Promise<boolean> {
  const behind = after === undefined ? "" : `&after=${encodeURIComponent(after)}`;
  const response = await fetch(
    `${url}/v1/batches/${encodeURIComponent(batch)}/results?order=finished&follow=true${behind}`,
    {
      headers: { authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(PATIENCE_MS),
    },
  );
  if (response.status !== 200 || response.body === null) return false;
  let open = "";
  const decoder = new TextDecoder();
  for await (const bytes of response.body) {
    const lines = (open + decoder.decode(bytes, { stream: true })).split("\n");
    open = lines.pop() ?? "";
    for (const line of lines) hear(line);
  }
  return open === "";
}
