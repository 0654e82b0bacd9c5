/** The client of the submit benchmark: submits so many small lines and tells `{linesPerSecond, startMb, peakMb}`. */
import { type BatchLine, readBatchLines } from "@baton/producer";
import { openSubmitter, type Submitter } from "./bench-rig.ts";

const LOOK_MS = 50;
const WARM_UP_LINES = 2_000;
/** About 64 KB. */
const LINES_A_PIECE = 600;

const [url = "", count = ""] = process.argv.slice(2);

/** A file of so many lines, in pieces as a stream gives them: nothing holds all of it. */
async function* fileOf(lines: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < lines; from += LINES_A_PIECE) {
    const numbers = Array.from({ length: Math.min(LINES_A_PIECE, lines - from) }, (_, index) => from + index);
    yield Buffer.from(numbers.map(lineOf).join(""));
  }
}

function lineOf(number: number): string {
  const body = { input: `Summarise document ${number} in one sentence.`, model: "bench/a" };
  return `${JSON.stringify({ custom_id: `line-${number}`, body })}\n`;
}

async function* goodLines(lines: number): AsyncGenerator<BatchLine> {
  for await (const line of readBatchLines(fileOf(lines))) {
    if (line.kind === "bad") throw new Error(line.reason);
    yield line;
  }
}

async function submit({ producer }: Submitter, batch: string, lines: number): Promise<void> {
  const { created } = await producer.submitBatch(
    goodLines(lines),
    { id: batch },
    new AbortController().signal,
  );
  if (created !== lines) throw new Error(`${created} of ${lines} lines became runs`);
}

await using submitter = await openSubmitter(url);
await submit(submitter, "first", WARM_UP_LINES);
const startMb = process.memoryUsage.rss() / 1e6;
let peakMb = startMb;
const looking = setInterval(() => {
  peakMb = Math.max(peakMb, process.memoryUsage.rss() / 1e6);
}, LOOK_MS);
const began = performance.now();
await submit(submitter, "bench", Number(count));
const seconds = (performance.now() - began) / 1_000;
clearInterval(looking);
process.stdout.write(`${JSON.stringify({ linesPerSecond: Number(count) / seconds, startMb, peakMb })}\n`);
