/**
 * A fetch for URLs that came with a request: it reaches only addresses that `allows` accepts.
 *
 * - The address that is judged is the address that is connected to: the check sits in the connection's own name
 *   lookup, so a name that changes its mind between check and connect gains nothing. One bad address among
 *   several refuses the name. The connected peer is judged once more before anything is written to it.
 * - It never follows a redirect: the answer is handed back as it is, and whoever follows it comes through here
 *   again. The MCP transport does so, within the origin.
 * - It is built on `node:https` because Node's own fetch takes no lookup. It ignores proxy settings: behind a
 *   proxy the address could not be judged.
 */
import { type LookupAddress, lookup as systemLookup } from "node:dns";
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { isIP, type LookupFunction, type Socket } from "node:net";
import { Readable } from "node:stream";
import { BatonError } from "@baton/core";
import type { FetchLike } from "@modelcontextprotocol/sdk/shared/transport.js";

export interface GuardedFetchOptions {
  /** Judges an IP address given as text. */
  readonly allows: (address: string) => boolean;
  /** Whether `http:` URLs are taken, not only `https:`. */
  readonly plainHttp: boolean;
  /** Resolves names; the system's own resolver by default. */
  readonly lookup?: LookupFunction;
}

export interface GuardedFetch {
  /** As global fetch, for string bodies; redirects are returned, never followed. */
  readonly fetch: FetchLike;
  /** Closes the connections that are kept for reuse. */
  close(): void;
}

export function createGuardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const connection = { keepAlive: true, lookup: guardLookup(options) };
  const plain = new HttpAgent(connection);
  const secure = new HttpsAgent(connection);
  const fetch: FetchLike = (input, init) => {
    const url = new URL(input);
    const refusal = refusalOf(url, options);
    if (refusal !== undefined) return Promise.reject(refusal);
    return send(url, url.protocol === "https:" ? secure : plain, init, options.allows);
  };
  const close = () => {
    plain.destroy();
    secure.destroy();
  };
  return { fetch, close };
}

/** Why a URL is refused before anything is resolved, if it is. Hosts that are IP addresses meet no lookup. */
export function refusalOf(
  url: URL,
  { allows, plainHttp }: Pick<GuardedFetchOptions, "allows" | "plainHttp">,
): BatonError | undefined {
  if (url.protocol !== "https:" && !(plainHttp && url.protocol === "http:")) {
    return new BatonError("tool_failed", `${url.origin} was refused: the URL must be https`);
  }
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return isIP(host) !== 0 && !allows(host) ? privateAddress(host) : undefined;
}

function send(
  url: URL,
  agent: HttpAgent | HttpsAgent,
  init: RequestInit | undefined,
  allows: (address: string) => boolean,
): Promise<Response> {
  const body = init?.body ?? undefined;
  if (body !== undefined && typeof body !== "string") throw new TypeError("the body must be a string");
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? requestHttps : requestHttp)(url, {
      agent,
      method: init?.method ?? "GET",
      headers: Object.fromEntries(new Headers(init?.headers)),
      ...(init?.signal ? { signal: init.signal } : {}),
    });
    // This stays after the response: a connection that breaks later is reported by the body's stream.
    request.on("error", reject);
    request.once("socket", (socket) => {
      const judge = () => {
        if (!isAllowedPeer(socket, allows)) request.destroy(privateAddress(url.hostname));
      };
      if (socket.connecting) socket.once("connect", judge);
      else judge();
    });
    request.once("response", (message) => {
      try {
        resolve(toResponse(message));
      } catch (error) {
        message.destroy();
        reject(error);
      }
    });
    request.end(body);
  });
}

function isAllowedPeer(socket: Socket, allows: (address: string) => boolean): boolean {
  // A socket without an address is closed already and takes nothing.
  return socket.remoteAddress === undefined || allows(socket.remoteAddress);
}

const STATUSES_WITHOUT_BODY = new Set([204, 205, 304]);

function toResponse(message: IncomingMessage): Response {
  const status = message.statusCode ?? 0;
  const headers = new Headers();
  for (const [name, values] of Object.entries(message.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  if (STATUSES_WITHOUT_BODY.has(status)) {
    message.resume();
    return new Response(null, { status, headers });
  }
  return new Response(Readable.toWeb(message), { status, statusText: message.statusMessage ?? "", headers });
}

function guardLookup(options: GuardedFetchOptions): LookupFunction {
  const resolve = options.lookup ?? systemLookup;
  return (hostname, lookupOptions, callback) => {
    resolve(hostname, { ...lookupOptions, all: true }, (error, found) => {
      if (error) return callback(error, []);
      const addresses: readonly LookupAddress[] =
        typeof found === "string" ? [{ address: found, family: isIP(found) }] : found;
      const [first] = addresses;
      if (first === undefined || !addresses.every(({ address }) => options.allows(address))) {
        return callback(privateAddress(hostname), []);
      }
      if (lookupOptions.all) return callback(null, [...addresses]);
      callback(null, first.address, first.family);
    });
  };
}

/** The address itself stays out of the message: what a name means inside our network is nobody's business. */
function privateAddress(host: string): BatonError {
  return new BatonError("tool_failed", `${host} was refused: its address is not on the public internet`, {
    fields: { host },
  });
}
