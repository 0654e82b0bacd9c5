/** Where an API is: its address as a person gives it, checked once. */
import { BatonError } from "@baton/core";

/** Throws `invalid_config` for what is no address of an API. The text is not said back: it may hold a password (R9). */
export function parseServerUrl(text: string): URL {
  const url = URL.parse(text.trim());
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new BatonError(
      "invalid_config",
      "the server is no http or https URL: give one such as https://baton.example.com (--server, BATON_SERVER)",
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new BatonError(
      "invalid_config",
      "the server's URL holds a user or a password: leave them out, a key is given by BATON_API_KEY",
    );
  }
  url.search = "";
  url.hash = "";
  url.pathname = url.pathname.replace(/\/+$/, "");
  return url;
}

/** A path of the API below the server's own. `path` begins with a slash and is encoded already. */
export function urlAt(server: URL, path: string, query: Query = {}): URL {
  const url = new URL(server);
  url.pathname = `${server.pathname.replace(/\/$/, "")}${path}`;
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined) url.searchParams.append(name, String(one));
    }
  }
  return url;
}

type QueryValue = string | number | boolean | undefined;
/** What is undefined is left out; a list gives its name several times. */
export type Query = Readonly<Record<string, QueryValue | readonly QueryValue[]>>;

/** The server as people may read it. */
export function describeServer(server: URL): string {
  return `${server.origin}${server.pathname === "/" ? "" : server.pathname}`;
}
