/**
 * How long an answer asks to wait, in milliseconds, out of `retry-after`: seconds, or a date that is read against
 * the answer's own, so that a wrong clock on this side does no harm.
 */
export function retryAfterOf(headers: Headers): number | undefined {
  const asked = headers.get("retry-after")?.trim() ?? "";
  if (/^\d+(\.\d+)?$/.test(asked)) return Math.ceil(Number(asked) * 1_000);
  const wait = Date.parse(asked) - Date.parse(headers.get("date") ?? "");
  return wait >= 0 ? wait : undefined;
}
