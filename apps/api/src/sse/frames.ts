/** The wire form of server-sent events. Data is JSON, so it has no line breaks of its own. */

export interface Frame {
  /** What `Last-Event-ID` will be; absent: what it was. */
  readonly id?: string | undefined;
  /** Absent: `message`. */
  readonly event?: string | undefined;
  readonly data: unknown;
}

export function frameOf({ id, event, data }: Frame): string {
  return `${id === undefined ? "" : `id: ${id}\n`}${event === undefined ? "" : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`;
}

/** How long a reader waits before it comes again when the stream ended under it. */
export function retryHint(ms: number): string {
  return `retry: ${Math.round(ms)}\n\n`;
}

/** A line that readers skip. */
export function comment(text: string): string {
  return `: ${text}\n\n`;
}
