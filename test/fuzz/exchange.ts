/** Sends one case over a connection and reads what comes back, until it is answered, over, or has taken too long. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { type Answer, AnswerReader } from "./answer-reader.ts";
import { type FuzzCase, keepsConnection, type RequestCase } from "./fuzz-case.ts";

export interface Exchange {
  readonly answers: readonly Answer[];
  /**
   * `answered`: whole; `closed`: by the server, before it was; `left`: by us, since it may last; `hung`: nothing came in
   * time; `aborted`: by us, as the case is.
   */
  readonly outcome: "answered" | "closed" | "left" | "hung" | "aborted" | "garbled";
  /** Of an answer that was not read to its end. */
  readonly begun: number | undefined;
  readonly ms: number;
  /** What could not be read. */
  readonly why?: string | undefined;
}

export interface Bounds {
  /** Past it nothing is waited for any more. */
  readonly hungMs: number;
  /** What may last is left then. */
  readonly leftMs: number;
  /** For more answers behind the first, where there may be some. */
  readonly moreMs: number;
}

/** A batch's file may come slowly: its bound is a minute without a byte. */
function isPartOfFile({ operation, delivery, framing }: RequestCase): boolean {
  return operation === "submitBatch" && (delivery.kind === "stalled" || framing === "longer");
}

function isStalled({ operation, delivery }: RequestCase): boolean {
  return operation !== "submitBatch" && delivery.kind === "stalled";
}

export const BOUNDS: Bounds = { hungMs: 20_000, leftMs: 1_000, moreMs: 40 };

export class Connection {
  readonly #socket: Socket;
  #reader: AnswerReader | undefined;
  #wake: () => void = () => undefined;
  #fault: unknown;
  isOver = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    // A server that cuts off may reset the connection; what came before counts.
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      try {
        if (this.#reader === undefined) throw new Error("an answer that nobody asked for");
        this.#reader.feed(chunk);
      } catch (error) {
        this.#fault = error;
      }
      this.#wake();
    });
    socket.on("close", () => {
      this.#reader?.end();
      this.isOver = true;
      this.#wake();
    });
  }

  static async open(port: number): Promise<Connection> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const connection = new Connection(socket);
    await once(socket, "connect");
    return connection;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** As a machine that goes away. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  async send(one: FuzzCase, wire: Buffer, bounds: Bounds = BOUNDS): Promise<Exchange> {
    const started = performance.now();
    const reader = new AnswerReader(one.shape === "request" && one.method === "HEAD");
    this.#reader = reader;
    const ended = (outcome: Exchange["outcome"]): Exchange => ({
      ...{ answers: reader.answers, outcome, begun: reader.begun, ms: performance.now() - started },
      why: this.#fault instanceof Error ? this.#fault.message : undefined,
    });
    await this.#write(one, wire);
    if (one.delivery.kind === "aborted") {
      this.reset();
      await this.#until(() => this.isOver, bounds.hungMs);
      return ended("aborted");
    }
    const mayLast = one.shape === "request" && (one.mayLast || isPartOfFile(one)) && !isStalled(one);
    const isDone = (): boolean => this.isOver || this.#fault !== undefined || reader.answers.length > 0;
    // An answer has begun, or may wait by right.
    await this.#until(
      () => isDone() || (mayLast && reader.begun !== undefined),
      bounds.hungMs,
      mayLast ? bounds.leftMs : undefined,
    );
    if (mayLast && reader.begun !== undefined) await this.#until(isDone, bounds.leftMs);
    if (!keepsConnection(one) && !this.isOver) await this.#until(() => this.isOver, bounds.moreMs);
    if (this.#fault !== undefined) return ended("garbled");
    if (reader.answers.some(({ isWhole }) => isWhole)) return ended("answered");
    if (this.isOver) return ended("closed");
    return ended(mayLast ? "left" : "hung");
  }

  async #write(one: FuzzCase, wire: Buffer): Promise<void> {
    const { delivery } = one;
    switch (delivery.kind) {
      case "whole":
        this.#socket.write(wire);
        return;
      case "stalled":
      case "aborted": {
        this.#socket.write(wire.subarray(0, Math.floor(wire.length * delivery.part)));
        // What was written is to arrive before the connection breaks.
        if (delivery.kind === "aborted") await delay(1);
        return;
      }
      case "slow": {
        const size = Math.ceil(wire.length / delivery.pieces);
        for (let at = 0; at < wire.length && !this.isOver; at += size) {
          if (at > 0) await delay(delivery.pauseMs);
          this.#socket.write(wire.subarray(at, at + size));
        }
      }
    }
  }

  /** Waits for what is read to make it true; gives up without a word. */
  async #until(isTrue: () => boolean, withinMs: number, sooner = withinMs): Promise<void> {
    const deadline = performance.now() + Math.min(withinMs, sooner);
    while (!isTrue() && performance.now() < deadline) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, deadline - performance.now());
      await promise;
      clearTimeout(timer);
    }
  }
}
