/**
 * One MCP server as the host keeps it: a session that is opened when it is first needed, shared by everybody, and
 * opened again after it has died; the list of tools that it gave.
 *
 * - At most one session is being opened at a time; all who need it wait for the same one.
 * - A server that keeps failing is left alone for a while that doubles up to half a minute; meanwhile it fails at
 *   once with its last error. A thousand runs do not start a thousand processes.
 * - A list is asked for again when the server says that it changed, when a new session was opened, and, over
 *   HTTP, when it is old: there a notification can be lost with its stream.
 */
import { abortable, BatonError, type Retry, TIMER_MS_MAX, toBatonError } from "@baton/core";
import type { ToolList } from "./listed-tools.ts";
import type { CallAnswer, McpSession, SessionCall, SessionOptions } from "./mcp-session.ts";
import type { ResolvedServer } from "./server-lookup.ts";
import { applyRules, strayRules } from "./tool-rules.ts";

export interface McpServerOptions {
  readonly connectTimeoutMs: number;
  readonly closeGraceMs: number;
  readonly allowPrivateAddresses: boolean;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  readonly onProblem: (message: string) => void;
}

const COOL_DOWN_MS_MIN = 1_000;
const COOL_DOWN_MS_MAX = 30_000;
const ASKED_MS_MAX = 300_000;
/** A session that dies younger than this counts as a failure of the server. */
const STEADY_MS = 10_000;
const LIST_AGE_MS_MAX = 300_000;

interface Listed {
  readonly list: ToolList;
  readonly session: McpSession;
  readonly changes: number;
  readonly at: number;
}

export class McpServer implements AsyncDisposable {
  readonly #server: ResolvedServer;
  readonly #options: McpServerOptions;
  readonly #life = new AbortController();
  /** Sessions that are being closed; each leaves when it is. */
  readonly #closing = new Set<Promise<void>>();
  /** Tools of rules that were told to be none. */
  readonly #strayRules = new Set<string>();
  #session: McpSession | undefined;
  #openedAt = 0;
  #opening: Promise<McpSession> | undefined;
  #listing: Promise<ToolList> | undefined;
  #listed: Listed | undefined;
  #failures = 0;
  #rest: { readonly until: number; readonly why: string; readonly retry: Retry } | undefined;
  #users = 0;

  constructor(server: ResolvedServer, options: McpServerOptions) {
    this.#server = server;
    this.#options = options;
  }

  /** The list, if it is known to be good; costs nothing. */
  get freshList(): ToolList | undefined {
    const listed = this.#listed;
    if (listed === undefined || !listed.session.isOpen || listed.session !== this.#session) return undefined;
    if (listed.changes !== listed.session.changes) return undefined;
    const isOld = this.#options.now() - listed.at > LIST_AGE_MS_MAX;
    return isOld && this.#server.endpoint.kind === "http" ? undefined : listed.list;
  }

  /** The last list that it ever gave, for what must not change while the server is down. */
  get lastList(): ToolList | undefined {
    return this.#listed?.list;
  }

  /** Nobody uses it now, so it may be closed. */
  get isIdle(): boolean {
    return this.#users === 0;
  }

  /** Throws `tool_failed` when the server cannot be opened or listed. */
  async list(signal: AbortSignal): Promise<ToolList> {
    const fresh = this.freshList;
    if (fresh !== undefined) return fresh;
    this.#listing ??= this.#readList().finally(() => {
      this.#listing = undefined;
    });
    return this.#used(abortable(this.#listing, signal));
  }

  /**
   * One try of a call; `openMsMax` bounds the opening of a session where there is none. Throws `signal.reason` on
   * abort alone.
   */
  async call(call: SessionCall, openMsMax: number, signal: AbortSignal): Promise<CallAnswer> {
    return this.#used(this.#call(call, openMsMax, signal));
  }

  async close(): Promise<void> {
    this.#life.abort(new BatonError("tool_failed", "the tool host is closed"));
    // An open that is under way is told by the signal and fails, unless it was about to succeed.
    await this.#opening?.catch(() => {});
    const session = this.#session;
    this.#session = undefined;
    if (session !== undefined) this.#retire(session.close());
    while (this.#closing.size > 0) await Promise.all(this.#closing);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #call(call: SessionCall, openMsMax: number, signal: AbortSignal): Promise<CallAnswer> {
    const late = new AbortController();
    const timer = setTimeout(
      () => late.abort(new BatonError("tool_failed", `did not open within ${openMsMax} ms`)),
      Math.min(openMsMax, TIMER_MS_MAX),
    );
    let session: McpSession;
    try {
      session = await abortable(this.#open(), AbortSignal.any([signal, late.signal]));
    } catch (error) {
      signal.throwIfAborted();
      const { message, retry } = toBatonError(error);
      return { kind: "failed", effect: "not_run", retry, message };
    } finally {
      clearTimeout(timer);
    }
    return session.call(call, signal);
  }

  async #readList(): Promise<ToolList> {
    let session = await this.#open();
    try {
      return await this.#readListOf(session);
    } catch (error) {
      // The session may have been dead already without our knowing: then a new one deserves a try.
      if (session.isOpen) throw error;
      session = await this.#open();
      return this.#readListOf(session);
    }
  }

  async #readListOf(session: McpSession): Promise<ToolList> {
    // Taken before the question: a change that comes meanwhile makes the answer stale.
    const { changes } = session;
    const { rules } = this.#server;
    const list = applyRules(await session.list(), rules);
    this.#listed = { list, session, changes, at: this.#options.now() };
    for (const problem of list.problems) this.#options.onProblem(problem);
    for (const [tool, problem] of strayRules(list, rules)) {
      // A list is read again and again; the rule is wrong once.
      if (this.#strayRules.has(tool)) continue;
      this.#strayRules.add(tool);
      this.#options.onProblem(problem);
    }
    return list;
  }

  async #open(): Promise<McpSession> {
    this.#life.signal.throwIfAborted();
    if (this.#session?.isOpen) return this.#session;
    if (this.#opening === undefined) {
      this.#throwIfResting();
      this.#opening = this.#connect().finally(() => {
        this.#opening = undefined;
      });
    }
    return this.#opening;
  }

  async #connect(): Promise<McpSession> {
    // Loaded here, because most processes that import this package never open a session.
    const { McpSession: Session } = await import("./mcp-session.ts");
    const { connectTimeoutMs, closeGraceMs, allowPrivateAddresses } = this.#options;
    const options: SessionOptions = {
      connectTimeoutMs,
      closeGraceMs,
      allowPrivateAddresses,
      onEnd: (session, why) => this.#ended(session, why),
    };
    try {
      const session = await Session.open(this.#server, options, this.#life.signal);
      this.#openedAt = this.#options.now();
      this.#session = session;
      return session;
    } catch (error) {
      const { message, retry } = toBatonError(error);
      if (this.#life.signal.aborted) throw error;
      const restMs = this.#failed(message, retry);
      // Who asks again before the rest is over asks in vain.
      const later = retry === "never" ? retry : { after: restMs };
      throw new BatonError("tool_failed", message, { retry: later, cause: error });
    }
  }

  #ended(session: McpSession, why: string): void {
    if (this.#session === session) this.#session = undefined;
    this.#retire(session.closeWhenIdle());
    const wasSteady = this.#options.now() - this.#openedAt >= STEADY_MS;
    if (!wasSteady && this.#failures > 0) {
      this.#failed(why, "backoff");
      return;
    }
    // The first early death may be an accident: it is counted, but the next user tries at once.
    this.#failures = wasSteady ? 0 : 1;
    this.#options.onProblem(why);
  }

  /** Returns how long the server is left alone now. */
  #failed(why: string, retry: Retry): number {
    this.#failures += 1;
    const coolDownMs = Math.min(COOL_DOWN_MS_MIN * 2 ** (this.#failures - 1), COOL_DOWN_MS_MAX);
    const askedMs = typeof retry === "object" ? Math.min(retry.after, ASKED_MS_MAX) : 0;
    const restMs = Math.max(coolDownMs, askedMs);
    this.#rest = { until: this.#options.now() + restMs, why, retry };
    this.#options.onProblem(why);
    return restMs;
  }

  #throwIfResting(): void {
    if (this.#rest === undefined) return;
    const leftMs = this.#rest.until - this.#options.now();
    if (leftMs > 0) {
      const message = `${this.#rest.why}; it is tried again in ${Math.ceil(leftMs / 1_000)} s`;
      const { retry } = this.#rest;
      throw new BatonError("tool_failed", message, {
        retry: retry === "never" ? "never" : { after: Math.ceil(leftMs) },
      });
    }
    this.#rest = undefined;
  }

  #retire(closed: Promise<void>): void {
    const done = closed
      .catch((error: unknown) => this.#options.onProblem(`could not be closed: ${String(error)}`))
      .finally(() => this.#closing.delete(done));
    this.#closing.add(done);
  }

  async #used<Value>(work: Promise<Value>): Promise<Value> {
    this.#users += 1;
    try {
      return await work;
    } finally {
      this.#users -= 1;
    }
  }
}
