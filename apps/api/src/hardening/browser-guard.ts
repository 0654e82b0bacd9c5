/**
 * Keeps web pages out of an API that asks for no keys: a page that somebody visits on this machine can send requests to
 * loopback in that person's name.
 *
 * - A page whose name was made to lead here (DNS rebinding) has its own name in `Host`: only names and addresses of this
 *   machine pass, and those of `api.hosts`.
 * - A page of another site has its own `Origin`, and the browser says `cross-site`: only origins of `api.cors` pass, and
 *   those of the API itself. A link that is followed passes; it reads nothing and changes nothing.
 *
 * Where keys are asked for, no page has one by itself, and nothing is to be guarded.
 */
import type { Config } from "@baton/core";
import type { FastifyRequest } from "fastify";
import { HttpProblem } from "../problem.ts";
import { isLoopbackHost } from "./loopback.ts";

export function guardBrowsers(
  { headers, method }: Pick<FastifyRequest, "headers" | "method">,
  api: Config["api"],
): void {
  const name = hostNameOf(headers.host);
  if (name === undefined || !(isLoopbackHost(name) || api.hosts.includes(name))) {
    throw new HttpProblem(
      "forbidden",
      403,
      "this API asks for no keys, so it answers to names of this machine alone: name it in api.hosts of the configuration, or make a key (`baton keys create NAME`)",
    );
  }
  const { origin } = headers;
  const site = headers["sec-fetch-site"];
  const isOwn =
    origin === undefined || origin === `http://${headers.host}` || origin === `https://${headers.host}`;
  const isLink =
    method === "GET" && headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
  const isForeign =
    !isOwn || (origin === undefined && (site === "cross-site" || site === "same-site") && !isLink);
  if (!isForeign || (origin !== undefined && api.cors.includes(origin))) return;
  throw new HttpProblem(
    "forbidden",
    403,
    "a page of another site may not call this API: name its origin in api.cors of the configuration",
  );
}

/** The name in a `Host` header, in small letters and without its port. */
function hostNameOf(host: string | undefined): string | undefined {
  if (host === undefined || !URL.canParse(`http://${host}`)) return undefined;
  const { hostname, username, pathname, search, hash } = new URL(`http://${host}`);
  if (username !== "" || pathname !== "/" || search !== "" || hash !== "") return undefined;
  return hostname.replace(/^\[(.*)\]$/, "$1");
}
