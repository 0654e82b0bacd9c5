/** The whole file is looked at before anything of it is submitted: what is wrong, how much there is, and its digest. */
import { createHash } from "node:crypto";
import type { BadLine } from "./batch-line.ts";
import { type ReadBatchOptions, readBatchLines } from "./read-batch-lines.ts";

export interface BatchCheck {
  /** Lines that can be submitted. */
  readonly runs: number;
  readonly bad: number;
  /** The file could not be read to its end. */
  readonly isCut: boolean;
  /** Hexadecimal SHA-256 of the bytes. */
  readonly sha256: string;
  readonly bytes: number;
}

export interface CheckOptions extends ReadBatchOptions {
  readonly onBad?: ((line: BadLine) => void) | undefined;
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

export async function checkBatch(
  source: AsyncIterable<Uint8Array>,
  options: CheckOptions,
  signal: AbortSignal,
): Promise<BatchCheck> {
  const counts = { runs: 0, bad: 0, isCut: false };
  const hashed = hashing(source, signal, options.onProgress);
  for await (const line of readBatchLines(hashed.source, options)) {
    if (line.kind === "run") counts.runs += 1;
    else {
      counts.bad += 1;
      if (line.isEnd === true) counts.isCut = true;
      options.onBad?.(line);
    }
  }
  return { ...counts, ...hashed.end() };
}

/** The same bytes, with their digest when all of them have passed. Throws the signal's reason when it is aborted. */
export function hashing(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  onProgress: (bytes: number) => void = () => undefined,
) {
  const hash = createHash("sha256");
  let bytes = 0;
  return {
    source: (async function* () {
      for await (const chunk of source) {
        signal.throwIfAborted();
        hash.update(chunk);
        bytes += chunk.length;
        onProgress(bytes);
        yield chunk;
      }
    })(),
    end: () => ({ sha256: hash.digest("hex"), bytes }),
  };
}

/**
 * The id that a file gets when none is given: the same file with the same options is the same batch, so that nothing of
 * it is submitted twice. Without options it is `b_` and the first 20 digits of what `sha256sum` says of the file.
 */
export function batchIdOf(sha256: string, options: Pick<ReadBatchOptions, "template" | "defaults">): string {
  const { template, defaults = {} } = options;
  const isPlain = template === undefined && Object.keys(defaults).length === 0;
  const whole = isPlain
    ? sha256
    : createHash("sha256")
        .update(`${sha256} ${JSON.stringify([template ?? null, defaults])}`)
        .digest("hex");
  return `b_${whole.slice(0, 20)}`;
}
