/**
 * Results of a batch, as JSON lines of the API. A stream that breaks is asked for again behind the last line that came whole.
 * In the order of the ends lines of the same millisecond come again then: those that were given are left out.
 */
import { type RunId, runIdSchema, shardOf } from "@baton/core";
import { z } from "zod";
import { jsonLines } from "./answer-body.ts";
import { errorOf, parsed, type ServerClient } from "./server-client.ts";
import type { Query } from "./server-url.ts";

export interface ResultLinesRequest {
  readonly path: string;
  readonly query: Query;
  readonly after: string | undefined;
}

const lineSchema = z.looseObject({ id: runIdSchema, cursor: z.string() });

/** Lines that may come again: those that ended in one millisecond. */
const RECENT_MAX = 4_000;

export async function* resultLines(
  client: ServerClient,
  { path, query, after }: ResultLinesRequest,
  signal: AbortSignal,
): AsyncGenerator<unknown, void, void> {
  const patience = client.patience();
  const recent = new Set<string>();
  let cursor = after;
  while (!signal.aborted) {
    try {
      const { bytes } = await client.stream(
        { method: "GET", path, query: { ...query, after: cursor }, mediaTypes: ["application/x-ndjson"] },
        signal,
      );
      for await (const value of jsonLines(bytes)) {
        const line = parsed(lineSchema, value);
        patience.calm();
        const ending = endingOf(line);
        if (ending !== undefined && recent.has(ending)) continue;
        cursor = line.cursor;
        if (ending !== undefined) remember(recent, ending);
        yield value;
      }
      return;
    } catch (error) {
      if (signal.aborted) return;
      await patience.bear(errorOf(error), signal).catch((thrown: unknown) => {
        if (!signal.aborted) throw thrown;
      });
    }
  }
}

/** In the order of the ends a cursor begins with the millisecond of each shard; the run's own shard tells when it ended. */
function endingOf({ id, cursor }: { readonly id: RunId; readonly cursor: string }): string | undefined {
  const [times, name] = cursor.split("~");
  return name === undefined ? undefined : `${id} ${times?.split(".")[shardOf(id)]}`;
}

function remember(recent: Set<string>, ending: string): void {
  recent.add(ending);
  const [oldest] = recent;
  if (recent.size > RECENT_MAX && oldest !== undefined) recent.delete(oldest);
}
