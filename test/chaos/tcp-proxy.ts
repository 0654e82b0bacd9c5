/**
 * The way of one worker to Redis: a port on loopback that leads to Redis' socket (or to another port), and that can be cut. A cut either
 * resets all connections and refuses new ones, or swallows what is sent in both directions. What was swallowed is
 * delivered late at the end of the cut, or is gone with its connections.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** The path of a socket, or a port of this machine. */
export type Target = string | number;

export type Cut = "reset" | "blackhole";

interface Pair {
  readonly near: Socket;
  /** None: it came while nothing got through. */
  readonly far: Socket | undefined;
}

export class TcpProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #target: Target;
  readonly #pairs = new Set<Pair>();
  #cut: Cut | undefined;

  private constructor(server: Server, target: Target) {
    // A server that listens on a port has an address of this kind.
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    this.#target = target;
    server.on("connection", (near) => this.#open(near));
  }

  static async open(target: Target): Promise<TcpProxy> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new TcpProxy(server, target);
  }

  cut(how: Cut): void {
    this.#cut = how;
    for (const pair of this.#pairs) {
      if (how === "reset") this.#end(pair);
      else hold(pair);
    }
  }

  heal(options: { readonly delivers: boolean }): void {
    this.#cut = undefined;
    for (const pair of this.#pairs) {
      if (options.delivers && pair.far !== undefined) join(pair.near, pair.far);
      else this.#end(pair);
    }
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs) this.#end(pair);
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #open(near: Socket): void {
    near.on("error", () => undefined);
    if (this.#cut === "reset") {
      near.resetAndDestroy();
      return;
    }
    const far = this.#cut === undefined ? reach(this.#target) : undefined;
    const pair: Pair = { near, far };
    this.#pairs.add(pair);
    near.once("close", () => this.#end(pair));
    far?.on("error", () => this.#end(pair));
    far?.once("close", () => this.#end(pair));
    if (far !== undefined) join(near, far);
  }

  #end(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return;
    pair.near.resetAndDestroy();
    pair.far?.destroy();
  }
}

function reach(target: Target): Socket {
  return typeof target === "string" ? connect(target) : connect({ port: target, host: "127.0.0.1" });
}

function join(near: Socket, far: Socket): void {
  near.pipe(far);
  far.pipe(near);
}

/** What comes in stays in the buffers. */
function hold({ near, far }: Pair): void {
  if (far === undefined) return;
  near.unpipe(far);
  far.unpipe(near);
  near.pause();
  far.pause();
}
