/** How an answer ends before its end, so that nobody takes a part for the whole. */
import type { ServerResponse } from "node:http";

/**
 * A connection that ends between two chunks is an error to its reader. Over HTTP/1.0, which proxies may speak to what is behind
 * them, there are none, and its end is the end of the answer; so there it is reset, which is no end.
 */
export function breakOff(response: ServerResponse): void {
  if (response.headersSent && !response.chunkedEncoding) response.socket?.resetAndDestroy();
  response.destroy();
}
