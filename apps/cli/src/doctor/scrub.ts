/**
 * Keeps secrets out of the report (R9). Messages of drivers, servers and parsers may quote what they were given, so
 * every text that was not written here loses all values that the environment or the configuration holds as secret.
 */
import type { Config } from "@baton/core";

export type Scrub = (text: string) => string;

const CREDENTIAL = /key|token|secret|passw|credential|auth|cookie/i;
const MASK = "[redacted]";
/** Shorter ones are no secrets, and masking them would make a message unreadable. */
const CHARS_MIN = 4;

export function createScrub(
  variables: Readonly<Record<string, string | undefined>>,
  config: Config | undefined,
): Scrub {
  const secrets = new Set<string>();
  const keys = named(config);
  const add = (value: string): void => {
    if (value.length < CHARS_MIN) return;
    secrets.add(value);
    secrets.add(encodeURIComponent(value.toWellFormed()));
    secrets.add(JSON.stringify(value).slice(1, -1));
  };
  for (const [name, value] of [...Object.entries(variables), ...configured(config)]) {
    if (value === undefined) continue;
    for (const secret of secretsOfUrl(value)) add(secret);
    if (!CREDENTIAL.test(name) && !keys.has(name)) continue;
    add(value);
    for (const word of value.split(/\s+/)) add(word);
  }
  // The longest first: one secret may be the beginning of another.
  const all = [...secrets].sort((a, b) => b.length - a.length);
  return (text) => all.reduce((rest, secret) => rest.replaceAll(secret, MASK), text);
}

/** A URL as far as it may be shown: without user, password and query. */
export function publicUrl(url: string): string {
  if (!URL.canParse(url)) return "a URL that is none";
  const { origin, protocol, host, pathname } = new URL(url);
  return `${origin === "null" ? `${protocol}//${host}` : origin}${pathname === "/" ? "" : pathname}`;
}

/** Variables that the configuration names as keys, whatever they are called. */
function named(config: Config | undefined): ReadonlySet<string> {
  const keys = Object.values(config?.providers ?? {}).flatMap(({ apiKeyEnv }) => apiKeyEnv ?? []);
  return new Set(keys);
}

/** Values that stand in the configuration itself. All that a server is given counts: nothing is lost by masking it. */
function configured(config: Config | undefined): readonly (readonly [string, string])[] {
  const servers = Object.values(config?.mcpServers ?? {});
  const given = servers.flatMap((server) =>
    "url" in server ? [...Object.values(server.headers), server.url] : Object.values(server.env),
  );
  const headers = Object.values(config?.providers ?? {}).flatMap((provider) =>
    Object.values(provider.headers ?? {}),
  );
  return [...given, ...headers].map((value) => [URL.canParse(value) ? "url" : "credential", value] as const);
}

function secretsOfUrl(value: string): readonly string[] {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(value) || !URL.canParse(value)) return passwordOf(value);
  const url = new URL(value);
  const parameters = [...url.searchParams].flatMap(([name, text]) => (CREDENTIAL.test(name) ? [text] : []));
  return [url.password, decoded(url.password), ...parameters];
}

/** Redis takes addresses without a scheme, and a password behind the path of a socket. */
function passwordOf(value: string): readonly string[] {
  const before = /^[^/?#\s:]*:([^/?#\s]*)@/.exec(value)?.[1] ?? "";
  const behind = /[?&]\w*password=([^&#\s]*)/i.exec(value)?.[1] ?? "";
  return [before, behind, decoded(before), decoded(behind)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // It is no encoding of anything, so there is no other spelling.
    return text;
  }
}
