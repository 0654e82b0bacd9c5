/**
 * How long an answer asks to wait, in milliseconds. `retry-after-ms` is OpenAI's and the finer of the two;
 * `retry-after` is seconds or an HTTP date, which is read against the answer's own `date`, so that a wrong clock
 * on this side does no harm.
 */
export function retryAfter(headers: Headers): number | undefined {
  const milliseconds = number(headers.get("retry-after-ms"));
  if (milliseconds !== undefined) return Math.ceil(milliseconds);
  const header = headers.get("retry-after");
  const seconds = number(header);
  if (seconds !== undefined) return Math.ceil(seconds * 1_000);
  if (header === null) return undefined;
  const wait = Date.parse(header) - Date.parse(headers.get("date") ?? "");
  return Number.isNaN(wait) || wait < 0 ? undefined : wait;
}

function number(text: string | null): number | undefined {
  if (text === null || !/^\s*\d+(\.\d+)?\s*$/.test(text)) return undefined;
  return Number(text);
}
