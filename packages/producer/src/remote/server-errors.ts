/** What goes wrong between a client and the API, as `BatonError`s: the API's own keep their code. */
import { BatonError, ERROR_CODES, type ErrorCode, type Retry } from "@baton/core";
import { z } from "zod";
import { describeServer } from "./server-url.ts";

/** An answer that is no success. */
export interface Refusal {
  readonly error: BatonError;
  /** What the API tells beside the message. */
  readonly details: Readonly<Record<string, unknown>>;
}

const problemSchema = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    field: z.string().optional(),
    details: z.record(z.string(), z.unknown()).optional(),
  }),
});

const KNOWN: ReadonlySet<string> = new Set(ERROR_CODES);
const WORDS_MAX = 2_000;

/** What the body of an error says; without one that can be read, what its status says. */
export function refusalOf(body: unknown, status: number, after?: number): Refusal {
  const parsed = problemSchema.safeParse(body);
  const retry = retryOf(status, after);
  if (!parsed.success) {
    const message = `the server answered with the status ${status} and no error of Baton's: is it Baton's API?`;
    return { error: new BatonError(codeOf(undefined, status), message, { retry }), details: {} };
  }
  const { code, message, field, details = {} } = parsed.data.error;
  const said = Object.entries(details).filter(
    (entry): entry is [string, string | number] =>
      typeof entry[1] === "string" || typeof entry[1] === "number",
  );
  const fields = { ...Object.fromEntries(said), ...(field === undefined ? {} : { field }) };
  const error = new BatonError(codeOf(code, status), message.slice(0, WORDS_MAX), { retry, fields });
  return { error, details };
}

/** A newer server may have codes that this client does not know. */
function codeOf(code: string | undefined, status: number): ErrorCode {
  // What is in the set is a code: the set is made of them.
  if (code !== undefined && KNOWN.has(code)) return code as ErrorCode;
  if (status === 401) return "unauthorized";
  if (status === 403) return "forbidden";
  if (status === 404 && code !== undefined) return "not_found";
  if (status === 429) return "rate_limited";
  if (status === 502 || status === 503 || status === 504) return "server_unreachable";
  return code === undefined ? "server_protocol" : "internal";
}

/** By itself the same request is answered otherwise later. A full Redis is for people, as it is without a server between. */
function retryOf(status: number, after: number | undefined): Retry {
  if (status === 502 || status === 503 || status === 504) return after === undefined ? "backoff" : { after };
  if (status === 429 && after !== undefined) return { after };
  return "never";
}

/** The connection could not be made, or broke. */
export function unreachable(server: string, cause: unknown): BatonError {
  const reason = reasonOf(cause);
  const message = `no Baton API answers at ${server} (${reason}): ${hintOf(reason)}--server and BATON_SERVER say where it is`;
  return new BatonError("server_unreachable", message, { cause, retry: "backoff" });
}

/** What helps, as far as the reason tells it. */
function hintOf(reason: string): string {
  if (reason === "ERR_SSL_WRONG_VERSION_NUMBER" || reason === "ERR_SSL_PACKET_LENGTH_TOO_LONG") {
    return "it speaks no TLS, so is it http:// and not https://? ";
  }
  return "is `baton api` running there? ";
}

/** Something answers there, and it is no API of Baton's; or it is one, and its address is not whole, or too long. */
export function noBaton(server: URL, status: number): BatonError {
  const name = describeServer(server);
  const way = V1.test(server.pathname) ? `; give the address without /v1: ${name.replace(V1, "")}` : "";
  return unreadable(`${name}/healthz answers with the status ${status} and not with ok${way}`);
}

/** OpenAI's clients are given the address with it. */
const V1 = /\/v1$/;

/** Nothing is sent on there: the API key would go along. */
export function leadsElsewhere(status: number, location: string | null, server: URL): BatonError {
  // The address alone: what else stands in it may be anything.
  const target = location === null ? null : URL.parse(location, server);
  const where = target === null ? "" : `, to ${target.origin.slice(0, 200)}`;
  return unreadable(`it leads elsewhere (${status}${where}); give the address that it leads to`);
}

/** What came is not what Baton's API says. */
export function unreadable(what: string, cause?: unknown): BatonError {
  return new BatonError(
    "server_protocol",
    `the server's answer cannot be read: ${what}. Is it Baton's API, of this version?`,
    { cause },
  );
}

/** Node says what it was in the cause of `fetch failed`, and of a host with several addresses in a list of errors. */
function reasonOf(thrown: unknown): string {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 5; error = error.cause, depth += 1) {
    if ("code" in error && typeof error.code === "string") return error.code;
    if (error.cause === undefined) return error.message;
  }
  return "the connection failed";
}
