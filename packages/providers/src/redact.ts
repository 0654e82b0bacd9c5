/**
 * R9: nothing secret in a message. Providers echo keys back ("Incorrect API key provided: sk-…"), and a header
 * that cannot be sent is quoted whole by the HTTP client; so every text that came from outside goes through here.
 */
export type Redact = (text: string) => string;

const MASK = "[redacted]";
/** Keys in the usual forms, also with their middle starred out. */
const KEY_SHAPED = /\b(?:sk|pk|rk|xai|gsk|key|api)[-_][A-Za-z0-9_*.-]{6,}/gi;
const AFTER_KEY = /(key(?: provided)?\s*[:=]\s*)["']?[^\s"',]+/gi;
const BEARER = /\b(Bearer|Basic)\s+[^\s"',]+/gi;
/** Below this a header's value is no secret, and masking it would garble every message. */
const HEADER_CHARS_MIN = 6;

export function redactor(apiKey: string | undefined, headers: Readonly<Record<string, string>>): Redact {
  const secrets = Object.values(headers).filter((value) => value.length >= HEADER_CHARS_MIN);
  if (apiKey !== undefined && apiKey !== "") secrets.push(apiKey);
  // The longest first: one secret may be the beginning of another.
  secrets.sort((a, b) => b.length - a.length);
  return (text) => {
    let clean = text;
    for (const secret of secrets) clean = clean.replaceAll(secret, MASK);
    return clean.replace(BEARER, `$1 ${MASK}`).replace(AFTER_KEY, `$1${MASK}`).replace(KEY_SHAPED, MASK);
  };
}

const DEPTH_MAX = 4;

/** An error with its causes, each with its message and stack redacted: SDK errors carry headers and bodies. */
export function redactedCause(thrown: unknown, redact: Redact, depth = 0): unknown {
  if (!(thrown instanceof Error)) return typeof thrown === "string" ? redact(thrown) : undefined;
  const cause =
    depth < DEPTH_MAX && thrown.cause !== undefined
      ? redactedCause(thrown.cause, redact, depth + 1)
      : undefined;
  const clean = new Error(redact(thrown.message), cause === undefined ? undefined : { cause });
  clean.name = thrown.name;
  if (thrown.stack !== undefined) clean.stack = redact(thrown.stack);
  return clean;
}
