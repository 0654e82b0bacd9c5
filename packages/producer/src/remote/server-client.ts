/**
 * Requests to the API. Each is safe to send again, because its caller sees to that: by what it is, or by an idempotency key.
 * So one whose connection broke, or that the server was not ready for, is sent again until it is answered, or the server
 * has been away for too long. What is read of an answer is bounded, and a server that falls silent counts as away.
 */
import { BatonError, type IdSource, retryAfter } from "@baton/core";
import type { z } from "zod";
import { ANSWER_BYTES_MAX, boundedText, idleLimited } from "./answer-body.ts";
import { Patience } from "./patience.ts";
import {
  leadsElsewhere,
  noBaton,
  type Refusal,
  refusalOf,
  unreachable,
  unreadable,
} from "./server-errors.ts";
import { describeServer, type Query, urlAt } from "./server-url.ts";

export interface ServerClientOptions {
  readonly server: URL;
  readonly apiKey?: string | undefined;
  readonly ids: IdSource;
  /** How long requests are sent again while the server does not answer. */
  readonly patienceMs?: number | undefined;
  /** How long an answer may take, or a stream be silent. */
  readonly silenceMsMax?: number | undefined;
  /** How long the first word of the server may take: a wrong address may be one where nobody ever answers. */
  readonly greetingMsMax?: number | undefined;
  /** Hears of each failure that is borne. */
  readonly onError: (error: Error) => void;
}

export interface ServerRequest {
  readonly method: "GET" | "POST" | "PATCH";
  /** Encoded, from `/v1` on. */
  readonly path: string;
  readonly query?: Query | undefined;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it comes, from its beginning each time; its media type is among the headers. */
  readonly stream?: (() => AsyncIterable<Uint8Array>) | undefined;
  /** How much longer than other answers this one may take. */
  readonly waitMs?: number | undefined;
  /** What an answer that is read as it comes may be: what a proxy puts in its place is of another type. */
  readonly mediaTypes?: readonly string[] | undefined;
}

export interface ServerStream {
  readonly status: number;
  /** Its type, without parameters. */
  readonly mediaType: string;
  /** Throws `server_unreachable` where it breaks. */
  readonly bytes: AsyncGenerator<Uint8Array, void, void>;
}

/** A refusal with all that the API told of it. */
export class RefusedError extends BatonError {
  readonly details: Refusal["details"];

  constructor({ error, details }: Refusal) {
    super(error.code, error.message, { retry: error.retry, fields: error.fields });
    this.details = details;
  }
}

const PATIENCE_MS = 120_000;
const SILENCE_MS_MAX = 60_000;
const GREETING_MS_MAX = 10_000;
const NEVER = new AbortController().signal;
/** What can stand in a header, and is no key otherwise. */
const KEY = /^[\x21-\x7e]{1,1000}$/;

export class ServerClient {
  readonly #options: ServerClientOptions;
  readonly #authorization: Readonly<Record<string, string>>;

  /** Throws `invalid_config` for a key that cannot be one. */
  constructor(options: ServerClientOptions) {
    this.#options = options;
    const { apiKey } = options;
    if (apiKey !== undefined && !KEY.test(apiKey)) {
      throw new BatonError(
        "invalid_config",
        "BATON_API_KEY is no API key: `baton keys create NAME` makes one",
      );
    }
    this.#authorization = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  }

  /** For people. */
  get name(): string {
    return describeServer(this.#options.server);
  }

  patience(): Patience {
    const { ids, patienceMs = PATIENCE_MS, onError } = this.#options;
    return new Patience({ ids, patienceMs, onError });
  }

  /** Whether a Baton API is there, asked once. Throws `server_unreachable`. */
  async greet(): Promise<void> {
    const { server, greetingMsMax = GREETING_MS_MAX } = this.#options;
    const answer = await this.#attempt({ method: "GET", path: "/healthz" }, NEVER, greetingMsMax);
    const text = await boundedText(answer.bytes, ANSWER_BYTES_MAX);
    if (answer.status !== 200 || text.trim() !== "ok") throw noBaton(server, answer.status);
  }

  /** The answer's body, held against its schema. Throws what the API refuses with. */
  async json<Schema extends z.ZodType>(
    request: ServerRequest,
    schema: Schema,
    signal: AbortSignal = NEVER,
  ): Promise<z.infer<Schema>> {
    const patience = this.patience();
    for (;;) {
      try {
        return parsed(schema, await this.#once(request, signal));
      } catch (error) {
        await patience.bear(errorOf(error), signal);
      }
    }
  }

  /** The same, sent once: for what must know whether an answer was lost. */
  async jsonOnce<Schema extends z.ZodType>(request: ServerRequest, schema: Schema): Promise<z.infer<Schema>> {
    return parsed(schema, await this.#once(request, NEVER));
  }

  /** An answer that is read as it comes, asked for once. Throws what the API refuses with. */
  async stream(request: ServerRequest, signal: AbortSignal): Promise<ServerStream> {
    const answer = await this.#attempt(request, signal);
    if (answer.status >= 400) throw await refused(request, answer);
    const { mediaTypes } = request;
    if (answer.status !== 204 && mediaTypes !== undefined && !mediaTypes.includes(answer.mediaType)) {
      await answer.bytes.return();
      throw unreadable(`it is ${answer.mediaType || "of no type"}, not ${mediaTypes.join(" or ")}`);
    }
    return answer;
  }

  async #once(request: ServerRequest, signal: AbortSignal): Promise<unknown> {
    const answer = await this.#attempt(request, signal);
    if (answer.status >= 400) throw await refused(request, answer);
    return jsonOf(await boundedText(answer.bytes, ANSWER_BYTES_MAX));
  }

  async #attempt(
    { method, path, query, headers = {}, body, stream, waitMs = 0 }: ServerRequest,
    signal: AbortSignal,
    silenceMsMax = this.#options.silenceMsMax ?? SILENCE_MS_MAX,
  ): Promise<Answer> {
    signal.throwIfAborted();
    const { server } = this.#options;
    const late = new AbortController();
    const broken = (error: unknown): unknown =>
      signal.aborted ? signal.reason : unreachable(this.name, error);
    const timer = setTimeout(
      () => late.abort(new Error("it does not answer in time")),
      silenceMsMax + waitMs,
    );
    const sent = Object.entries({
      ...this.#authorization,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    }).filter((entry): entry is [string, string] => entry[1] !== undefined);
    try {
      const response = await fetch(urlAt(server, path, query), {
        method,
        headers: sent,
        redirect: "manual",
        signal: AbortSignal.any([signal, late.signal]),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(stream === undefined
          ? {}
          : { body: ReadableStream.from(alive(stream(), timer)), duplex: "half" as const }),
      });
      const { status } = response;
      if (status >= 300 && status < 400 && status !== 304) {
        throw leadsElsewhere(status, response.headers.get("location"), server);
      }
      const bytes = idleLimited(response.body, { late, idleMsMax: silenceMsMax, broken });
      const type = response.headers.get("content-type") ?? "";
      return {
        status,
        bytes,
        mediaType: type.split(";", 1)[0]?.trim().toLowerCase() ?? "",
        after: retryAfter(response.headers),
      };
    } catch (error) {
      throw error instanceof BatonError ? error : broken(error);
    } finally {
      clearTimeout(timer);
    }
  }
}

interface Answer extends ServerStream {
  /** Milliseconds. */
  readonly after: number | undefined;
}

async function refused(
  { method, path }: ServerRequest,
  { status, bytes, after }: Answer,
): Promise<RefusedError> {
  const text = await boundedText(bytes, ANSWER_BYTES_MAX);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    // It is no error of Baton's, which is told then.
    body = undefined;
  }
  const refusal = refusalOf(body, status, after);
  // Baton's own word for a path that it does not have: what this client asks for came with a later version.
  if (refusal.error.message.startsWith(`there is no ${method} ${path}:`)) {
    throw unreadable(`it has no ${method} ${path}`);
  }
  return new RefusedError(refusal);
}

/** A server takes its time only for what has been sent: while something goes out, nothing is late. */
async function* alive(
  source: AsyncIterable<Uint8Array>,
  timer: NodeJS.Timeout,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of source) {
    timer.refresh();
    yield chunk;
    timer.refresh();
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw unreadable("it is no JSON", error);
  }
}

export function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw unreadable(`${issue?.path.map(String).join(".") ?? ""}: ${issue?.message ?? ""}`, read.error);
}

/** What is no error of ours is thrown as it is: a bug, or the signal's reason. */
export function errorOf(error: unknown): BatonError {
  if (error instanceof BatonError) return error;
  throw error;
}
