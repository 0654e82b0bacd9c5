/** Text as the bytes of a file, in pieces that cut anywhere. */
import type { BadLine, BatchLine } from "../batch-line.ts";
import { type ReadBatchOptions, readBatchLines } from "../read-batch-lines.ts";

export async function* bytesOf(content: string | Uint8Array, pieceBytes = 7): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(content);
  for (let from = 0; from < bytes.length; from += pieceBytes) yield bytes.subarray(from, from + pieceBytes);
}

export function linesOf(
  content: string | Uint8Array,
  options: ReadBatchOptions = {},
): Promise<(BatchLine | BadLine)[]> {
  return Array.fromAsync(readBatchLines(bytesOf(content), options));
}

/** A line of a batch file. */
export function jsonLine(customId: string, body: object = {}): string {
  return `${JSON.stringify({ custom_id: customId, body: { input: `do ${customId}`, model: "openai/gpt", ...body } })}\n`;
}
