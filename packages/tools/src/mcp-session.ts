/**
 * One live session with one MCP server, shared by all runs of the process. It is opened once and ends once: by
 * `close`, or by itself when the server dies; then every call in flight fails and a new session must be opened.
 *
 * - The client declares no capabilities: nobody sits here whom a server could ask (elicitation), and servers get
 *   no model of ours (sampling).
 * - Requests are sent without the SDK's `callTool` and `listTools`: those reject results that do not match a
 *   tool's output schema, although the call has run, and forget all schemas but the last page's.
 * - A call's own signal never reaches the SDK, which keeps listening to it after the call is over.
 */
import { abortable, BatonError, TIMER_MS_MAX } from "@baton/core";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import packageJson from "../package.json" with { type: "json" };
import { CallWatch } from "./call-watch.ts";
import {
  describeFailure,
  effectOf,
  isConnectionClosed,
  isHttpRefusal,
  isNetworkFailure,
  isRequestTimeout,
  isSessionUnknown,
  retryOf,
} from "./describe-failure.ts";
import { EMPTY_LIST, readToolList, type ToolList, toolPageSchema } from "./listed-tools.ts";
import type { CallFailure } from "./retry-call.ts";
import type { ResolvedServer } from "./server-lookup.ts";
import { openLink, type SessionLink } from "./session-link.ts";
import { type CallResult, callResultSchema } from "./tool-result.ts";

export interface SessionOptions {
  readonly connectTimeoutMs: number;
  readonly closeGraceMs: number;
  readonly allowPrivateAddresses: boolean;
  /** The session ended by itself. Not called for `close`. */
  readonly onEnd: (session: McpSession, why: string) => void;
}

export interface SessionCall {
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly meta: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export type CallAnswer = { readonly kind: "answered"; readonly result: CallResult } | CallFailure;

const LOST = "the connection was lost before the answer came";
const PING_MS_MAX = 5_000;
const UNSENT_MAX = 100;

export class McpSession implements AsyncDisposable {
  readonly #server: ResolvedServer;
  readonly #options: SessionOptions;
  readonly #client: Client;
  readonly #link: SessionLink;
  #state: "opening" | "open" | "ended" = "opening";
  #changes = 0;
  #callsInFlight = 0;
  #unsent = 0;
  #idle: (() => void) | undefined;
  #lifeCheck: Promise<void> | undefined;
  #lastError: Error | undefined;

  private constructor(server: ResolvedServer, options: SessionOptions) {
    this.#server = server;
    this.#options = options;
    this.#client = new Client({ name: "baton", version: packageJson.version }, { capabilities: {} });
    this.#link = openLink(server.endpoint, options);
    this.#client.onclose = () => this.#end();
    // Errors beside requests: a line that is no message, a stream that broke. The last one may explain an end.
    this.#client.onerror = (error) => {
      this.#lastError = error;
    };
    this.#client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
      this.#changes += 1;
    });
  }

  /** Connects and shakes hands; throws `tool_failed` with what is known when that fails or `signal` aborts. */
  static async open(
    server: ResolvedServer,
    options: SessionOptions,
    signal: AbortSignal,
  ): Promise<McpSession> {
    const session = new McpSession(server, options);
    const abandon = () => void session.#link.close();
    signal.addEventListener("abort", abandon, { once: true });
    try {
      signal.throwIfAborted();
      await session.#connect();
      session.#state = "open";
      return session;
    } catch (error) {
      const why = session.#explain(error, "with its last words");
      session.#state = "ended";
      await session.#link.close();
      const retry = retryOf(error, session.#link.retryAfterMs());
      throw new BatonError("tool_failed", why, { retry, cause: error });
    } finally {
      signal.removeEventListener("abort", abandon);
    }
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Rises each time the server says that its tools changed. */
  get changes(): number {
    return this.#changes;
  }

  async list(): Promise<ToolList> {
    if (this.#client.getServerCapabilities()?.tools === undefined) return EMPTY_LIST;
    const timeout = this.#options.connectTimeoutMs;
    try {
      return await readToolList((cursor) =>
        this.#client.request(
          { method: "tools/list", params: cursor === undefined ? {} : { cursor } },
          toolPageSchema,
          { timeout },
        ),
      );
    } catch (error) {
      if (isSessionUnknown(error) || isNetworkFailure(error)) this.#end(describeFailure(error));
      if (isRequestTimeout(error)) this.#checkLife();
      const why = isRequestTimeout(error)
        ? `did not list its tools within ${timeout} ms`
        : this.#explain(error, "with its last words");
      const retry = retryOf(error, this.#link.retryAfterMs());
      throw new BatonError("tool_failed", why, { retry, cause: error });
    }
  }

  /** Throws `signal.reason` on abort alone. */
  async call(call: SessionCall, signal: AbortSignal): Promise<CallAnswer> {
    signal.throwIfAborted();
    this.#callsInFlight += 1;
    const stop = new AbortController();
    const timeoutMs = Math.min(call.timeoutMs, TIMER_MS_MAX);
    // The reasons are what the server is told in the cancellation.
    const timer = setTimeout(() => stop.abort(`timed out after ${timeoutMs} ms`), timeoutMs);
    const onAbort = () => stop.abort("the caller gave up");
    signal.addEventListener("abort", onAbort, { once: true });
    const watch = new CallWatch((fault) => stop.abort(fault?.message ?? LOST));
    try {
      const result = await watch.run(() => this.#request(call, stop.signal));
      watch.settle("answered");
      return { kind: "answered", result };
    } catch (error) {
      watch.settle("failed");
      signal.throwIfAborted();
      return this.#failed(error, stop.signal, watch.retryAfterMs);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      this.#callsInFlight -= 1;
      if (this.#callsInFlight === 0) this.#idle?.();
    }
  }

  /** Closes when the last call is over. */
  async closeWhenIdle(): Promise<void> {
    if (this.#callsInFlight > 0) {
      const idle = Promise.withResolvers<void>();
      this.#idle = idle.resolve;
      await idle.promise;
    }
    await this.close();
  }

  /** Ends the session: calls in flight fail, a child is gone on return. */
  async close(): Promise<void> {
    this.#state = "ended";
    await this.#link.close();
    await this.#lifeCheck;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #connect(): Promise<void> {
    const { connectTimeoutMs } = this.#options;
    // The SDK bounds the handshake's request but not the notification that ends it.
    const late = AbortSignal.timeout(connectTimeoutMs);
    const connected = this.#client.connect(this.#link.transport, { timeout: TIMER_MS_MAX });
    try {
      await abortable(connected, late);
    } catch (error) {
      if (!late.aborted) throw error;
      throw new Error(`did not answer within ${connectTimeoutMs} ms`, { cause: error });
    }
  }

  #request(call: SessionCall, signal: AbortSignal): Promise<CallResult> {
    const params = { name: call.tool, arguments: { ...call.arguments }, _meta: { ...call.meta } };
    // The SDK's own timer must not be the first to fire: ours knows why.
    const options = { signal, timeout: TIMER_MS_MAX };
    return this.#client.request({ method: "tools/call", params }, callResultSchema, options);
  }

  #failed(error: unknown, stopped: AbortSignal, retryAfterMs: number | undefined): CallFailure {
    if (stopped.aborted) {
      this.#checkLife();
      // A call that took all of its time has none left for another try, and an answer too long is so again.
      const retry = stopped.reason === LOST ? "backoff" : "never";
      return { kind: "failed", effect: "unknown", retry, message: String(stopped.reason) };
    }
    const effect = effectOf(error);
    if (isSessionUnknown(error)) {
      const message = this.#redact(describeFailure(error));
      this.#end(message);
      // Another session may take it at once.
      return { kind: "failed", effect, retry: { after: 0 }, message };
    }
    const message = this.#explain(error);
    // The SDK keeps a little of each request that it could not send, so a session takes only so many.
    if (isHttpRefusal(error)) this.#unsent += 1;
    if (isNetworkFailure(error) || this.#unsent >= UNSENT_MAX) this.#end(message);
    const retry = this.#link.isFaulty() ? "never" : retryOf(error, retryAfterMs);
    return { kind: "failed", effect, retry, message };
  }

  /** A child that has stopped answering altogether is ended: cancellation cannot reach it, and it would hold calls for ever. */
  #checkLife(): void {
    if (this.#server.endpoint.kind !== "stdio" || this.#lifeCheck !== undefined) return;
    this.#lifeCheck = this.#client
      .ping({ timeout: PING_MS_MAX })
      .then(
        () => {},
        async (error: unknown) => {
          if (!this.isOpen || !isRequestTimeout(error)) return;
          this.#end("it stopped answering");
          await this.#link.close();
        },
      )
      .finally(() => {
        this.#lifeCheck = undefined;
      });
  }

  #end(why?: string): void {
    if (this.#state !== "open") return;
    const message = this.#redact(why ?? this.#ending());
    this.#state = "ended";
    this.#options.onEnd(this, message);
  }

  #explain(error: unknown, how?: "with its last words"): string {
    if (isConnectionClosed(error)) return this.#redact(this.#ending());
    const words = how === undefined ? "" : this.#link.lastWords(this.#redact);
    return this.#redact(describeFailure(error)) + (words === "" ? "" : `; ${words}`);
  }

  #ending(): string {
    const words = this.#link.lastWords(this.#redact);
    if (words !== "") return words;
    const error = this.#lastError === undefined ? "" : ` (${describeFailure(this.#lastError)})`;
    return `the connection was closed${error}`;
  }

  readonly #redact = (text: string): string => this.#server.redactor.message(text);
}
