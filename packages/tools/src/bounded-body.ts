/**
 * Bounds what a server may send: an answer as a whole, or one event of an event stream, which as a whole may go
 * on for ever. Past the bound the body fails, and with it the request that waits for it.
 */
import { BatonError } from "@baton/core";
import type { FetchLike } from "@modelcontextprotocol/sdk/shared/transport.js";

/** The same fetch, with bodies that fail once a message in them is longer than `bytesMax`. */
export function boundBodies(fetch: FetchLike, bytesMax: number): FetchLike {
  return async (url, init) => {
    const response = await fetch(url, init);
    if (response.body === null) return response;
    const isEventStream = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
    const bound = isEventStream ? boundEvents(bytesMax) : boundWhole(bytesMax);
    return new Response(response.body.pipeThrough(bound), {
      status: response.status,
      statusText: response.statusText,
      headers: response.headers,
    });
  };
}

function boundWhole(bytesMax: number): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0;
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw tooLong(bytesMax);
      controller.enqueue(chunk);
    },
  });
}

function boundEvents(bytesMax: number): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0;
  // The last bytes of the chunk before, because a blank line may lie across the border.
  let tail = Buffer.alloc(0);
  return new TransformStream({
    transform(chunk, controller) {
      const seen = Buffer.concat([tail, chunk]);
      const end = endOfLastEvent(seen);
      bytes = end === undefined ? bytes + chunk.length : seen.length - end;
      if (bytes > bytesMax) throw tooLong(bytesMax);
      tail = seen.subarray(-3);
      controller.enqueue(chunk);
    },
  });
}

function endOfLastEvent(bytes: Buffer): number | undefined {
  const ends = ["\n\n", "\r\n\r\n", "\r\r"].map((blank) => {
    const at = bytes.lastIndexOf(blank);
    return at === -1 ? -1 : at + blank.length;
  });
  const end = Math.max(...ends);
  return end === -1 ? undefined : end;
}

function tooLong(bytesMax: number): BatonError {
  return new BatonError("tool_failed", `the server sent a message of more than ${bytesMax} bytes`);
}
