/**
 * The MCP transport to a child process over its stdin and stdout.
 *
 * It stands beside the SDK's own for one reason: the child leads a process group.
 * - Ctrl-C in a terminal reaches the application alone, which drains its calls and then closes; it does not tear
 *   the servers from under the calls that are being drained.
 * - Launchers like `npx` and `sh` start the server as a process of theirs; the group is what has to be ended.
 * On Windows, where there are no groups, the SDK's transport is used (`openChild`).
 *
 * The child is alive until its pipes are closed. stderr is always drained; only its end is kept, for messages.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { deserializeMessage, serializeMessage } from "@modelcontextprotocol/sdk/shared/stdio.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import { createLineSplitter, type LineSplitter } from "./line-splitter.ts";
import { createOutputTail, type OutputTail } from "./output-tail.ts";
import type { StdioEndpoint } from "./server-lookup.ts";

/** A transport and the end of what its child has written besides messages. */
export interface ChildLink {
  readonly transport: Transport;
  readonly tail: OutputTail;
  /** How the child ended, if it has. */
  readonly ending: () => string | undefined;
  /** Whether it was ended for what it sent, which it would send again. */
  readonly isFaulty: () => boolean;
}

export interface ChildLimits {
  readonly messageBytesMax: number;
  /** Between the end of stdin, SIGTERM and SIGKILL. */
  readonly graceMs: number;
}

/** The child is spawned by the transport's `start`. */
export function openChild(endpoint: StdioEndpoint, limits: ChildLimits): ChildLink {
  const tail = createOutputTail();
  if (process.platform !== "win32") {
    const transport = new ChildTransport(endpoint, limits, tail);
    return { transport, tail, ending: () => transport.ending, isFaulty: () => transport.isFaulty };
  }
  const transport = new StdioClientTransport({
    command: endpoint.command,
    args: [...endpoint.args],
    env: { ...endpoint.env },
    ...(endpoint.cwd === undefined ? {} : { cwd: endpoint.cwd }),
    stderr: "pipe",
    maxBufferSize: limits.messageBytesMax,
  });
  transport.stderr?.on("data", (chunk) => tail.add(chunk));
  return { transport, tail, ending: () => undefined, isFaulty: () => false };
}

const PRINTED_CHARS_MAX = 1_000;

class ChildTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #endpoint: StdioEndpoint;
  readonly #limits: ChildLimits;
  readonly #tail: OutputTail;
  readonly #received: LineSplitter;
  readonly #closed = Promise.withResolvers<void>();
  #child: ChildProcess | undefined;
  #ended = false;
  #fault: string | undefined;

  constructor(endpoint: StdioEndpoint, limits: ChildLimits, tail: OutputTail) {
    this.#endpoint = endpoint;
    this.#limits = limits;
    this.#tail = tail;
    this.#received = createLineSplitter(limits.messageBytesMax);
  }

  get ending(): string | undefined {
    if (this.#fault !== undefined) return this.#fault;
    if (this.#child?.signalCode) return `was ended by ${this.#child.signalCode}`;
    if (typeof this.#child?.exitCode === "number") return `exited with code ${this.#child.exitCode}`;
    return undefined;
  }

  get isFaulty(): boolean {
    return this.#fault !== undefined;
  }

  start(): Promise<void> {
    const { command, args, env, cwd } = this.#endpoint;
    const child = spawn(command, args, { cwd, env, stdio: "pipe", detached: true });
    this.#child = child;
    child.stdout.on("data", (chunk: Buffer) => this.#receive(chunk));
    child.stderr.on("data", (chunk: Buffer) => this.#tail.add(chunk));
    // A write to a child that is gone fails here; the close that follows is what matters.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on("error", this.#report);
    child.on("close", () => this.#end());
    return new Promise((resolve, reject) => {
      child.once("spawn", resolve);
      child.on("error", (error) => {
        this.#report(error);
        // Without a pid there was no process, and no close will come.
        if (child.pid === undefined) this.#end();
        reject(error);
      });
    });
  }

  send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.#child?.stdin;
    if (this.#ended || !stdin?.writable) {
      // Nothing of it was written, which the code says.
      return Promise.reject(Object.assign(new Error("the server's process has ended"), { code: "ENOTCONN" }));
    }
    return new Promise((resolve, reject) => {
      // Resolving when the pipe took it, not when it was queued, is what bounds the queue of a slow child.
      stdin.write(serializeMessage(message), (error) => (error ? reject(error) : resolve()));
    });
  }

  async close(): Promise<void> {
    const child = this.#child;
    if (child === undefined || this.#ended) return;
    child.stdin?.end();
    if (await this.#closesWithin(this.#limits.graceMs)) return;
    this.#signalGroup("SIGTERM");
    if (await this.#closesWithin(this.#limits.graceMs)) return;
    this.#signalGroup("SIGKILL");
    if (await this.#closesWithin(this.#limits.graceMs)) return;
    // A process that left the group still holds the pipes: let go of our ends.
    child.stdout?.destroy();
    child.stderr?.destroy();
    this.#end();
  }

  #receive(chunk: Buffer): void {
    if (this.#fault !== undefined) return;
    const lines = this.#received.add(chunk);
    if (lines === "too_long") {
      // What follows cannot be told from it any more.
      this.#fault = `sent a message of more than ${this.#limits.messageBytesMax} bytes`;
      this.#signalGroup("SIGKILL");
      return;
    }
    for (const line of lines) {
      try {
        this.onmessage?.(deserializeMessage(line));
      } catch (error) {
        // A line that is no message: programs print things. It may say why they do not start.
        this.#tail.add(`${line.slice(0, PRINTED_CHARS_MAX)}\n`);
        this.#report(asError(error));
      }
    }
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#closed.resolve();
    this.onclose?.();
  }

  readonly #report = (error: Error): void => this.onerror?.(error);

  async #closesWithin(ms: number): Promise<boolean> {
    const timer = new AbortController();
    const late = delay(ms, undefined, { signal: timer.signal }).then(
      () => false,
      () => true,
    );
    await Promise.race([this.#closed.promise, late]);
    timer.abort();
    return this.#ended;
  }

  #signalGroup(signal: NodeJS.Signals): void {
    const pid = this.#child?.pid;
    if (pid === undefined || this.#ended) return;
    try {
      process.kill(-pid, signal);
    } catch (error) {
      // The group is gone already, most likely. The caller waits for the close, so it learns if it is not.
      this.#report(asError(error));
    }
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
