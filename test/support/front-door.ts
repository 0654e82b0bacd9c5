/**
 * A port that stays open while the servers behind it are started anew, as a load balancer's or a socket-activated service's
 * does: who comes meanwhile waits. A connection that was open when the server died is reset, as its own would be.
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

export interface FrontDoor extends AsyncDisposable {
  readonly url: string;
  /** Where the servers listen now; connections go to them by turns. */
  lead(...ports: readonly number[]): void;
}

const TRY_EVERY_MS = 20;

export async function openFrontDoor(): Promise<FrontDoor> {
  let ports: readonly number[] = [];
  let turn = 0;
  const closed = new AbortController();
  const open = new Set<Socket>();
  const server = createServer((near) => {
    open.add(near);
    // Its end is what `close` tells.
    near.on("error", () => undefined);
    near.once("close", () => open.delete(near));
    near.pause();
    void lead(near);
  });
  async function lead(near: Socket): Promise<void> {
    for (;;) {
      if (closed.signal.aborted || near.destroyed) return;
      const far = await reachOne();
      if (far !== undefined) {
        near.once("close", () => far.destroy());
        far.on("error", () => near.resetAndDestroy());
        far.once("close", () => near.destroy());
        far.pipe(near);
        near.pipe(far);
        return;
      }
      await delay(TRY_EVERY_MS);
    }
  }
  /** The next one that listens. */
  async function reachOne(): Promise<Socket | undefined> {
    for (let tries = ports.length; tries > 0; tries -= 1) {
      turn += 1;
      const far = await reach(ports[turn % ports.length] ?? 0);
      if (far !== undefined) return far;
    }
    return undefined;
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A server that listens on a port has an address of this kind.
  const { port: own } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${own}`,
    lead: (...to) => {
      ports = to;
    },
    async [Symbol.asyncDispose]() {
      closed.abort();
      for (const near of open) near.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A connection, or nothing when nobody listens. */
function reach(port: number): Promise<Socket | undefined> {
  if (port === 0) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const far = connect({ port, host: "127.0.0.1" });
    far.once("connect", () => {
      far.removeAllListeners("error");
      resolve(far);
    });
    far.once("error", () => resolve(undefined));
  });
}
