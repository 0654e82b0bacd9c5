/**
 * Where an API listens. It does so before there is an API: to load one takes many times as long as to begin to listen, and
 * the clients of a process that is started anew come again within half a second. Those who come early wait for their answer,
 * instead of being refused. Loaded before all else, so it imports next to nothing.
 *
 * - D1: A request that comes before `open` is answered by what is opened, in order; or told to come again, when that takes too
 *   long or never comes (`early-requests.ts`).
 * - D2: `localhost` is each address that the name has, and all of them are bounded, closed and cut alike.
 * - D3: `close` takes no more connections, and resolves when what came by those that there are is answered to the last byte,
 *   or cut.
 */
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, Server as SocketServer } from "node:net";
import { onBrokenConnection, onOddExpectation } from "../hardening/broken-requests.ts";
import { boundServer, httpOptions, type ServerBounds } from "../hardening/server-bounds.ts";
import { EarlyRequests } from "./early-requests.ts";
import { LastBytes } from "./last-bytes.ts";

export interface DoorwayOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Shorter times than people need. */
  readonly bounds?: ServerBounds | undefined;
  /** The addresses of `localhost`; absent: those that the system tells. */
  readonly localAddresses?: readonly string[] | undefined;
  /** How long whoever comes early waits at most; another time for tests. */
  readonly waitMsMax?: number | undefined;
}

export interface Doorway extends AsyncDisposable {
  /** Without a slash at its end. */
  readonly url: string;
  /** The one that Fastify is given. */
  readonly server: Server;
  /** Answers by `handler`, first those who wait; at most so many connections at once for each address. */
  open(handler: RequestListener, connectionsMax: number): void;
  close(): Promise<void>;
  /** Cuts all connections. */
  cut(): void;
}

/** While the API starts; more are cut, and come again. */
const EARLY_CONNECTIONS_MAX = 1_000;
/** For the last answers to go out. */
const LAST_WORDS_MS = 1_000;
/** A free port of one address may be taken at another. */
const FREE_PORT_TRIES = 5;

/** Throws what listening throws: `EADDRINUSE`, `EACCES`, `ENOTFOUND` … */
export async function openDoorway(options: DoorwayOptions): Promise<Doorway> {
  const early = new EarlyRequests(options.waitMsMax);
  const servers = await listenEverywhere(options, () => makeServer(options.bounds, early.take));
  const [server] = servers;
  const doors = servers.map((each) => ({ each, lastBytes: new LastBytes(each, options.bounds?.stallMsMax) }));
  let closing: Promise<unknown> | undefined;
  const cut = (): void => {
    for (const each of servers) each.closeAllConnections();
  };
  const close = async (): Promise<void> => {
    closing ??= Promise.all(doors.map(({ each, lastBytes }) => lastBytes.closeIdle(closeSockets(each))));
    await closing;
  };
  return {
    url: urlOf(server),
    server,
    open(handler, connectionsMax) {
      for (const each of servers) {
        each.maxConnections = connectionsMax;
        each.off("request", early.take);
        each.on("request", handler);
      }
      early.giveTo(handler);
    },
    close,
    cut,
    async [Symbol.asyncDispose]() {
      early.refuse();
      const late = setTimeout(cut, LAST_WORDS_MS);
      await close().finally(() => clearTimeout(late));
    },
  };
}

function makeServer(bounds: ServerBounds | undefined, handler: RequestListener): Server {
  const server = createServer(httpOptions(bounds), handler);
  boundServer(server, EARLY_CONNECTIONS_MAX, bounds);
  server.on("clientError", onBrokenConnection);
  server.on("checkExpectation", onOddExpectation);
  return server;
}

async function listenEverywhere(
  { host, port, localAddresses }: DoorwayOptions,
  make: () => Server,
): Promise<readonly [Server, ...Server[]]> {
  const [first = host, ...others] = host === "localhost" ? await usable(localAddresses) : [host];
  for (let tries = 1; ; tries += 1) {
    const servers: [Server, ...Server[]] = [await listen(make(), first, port)];
    try {
      // A port that was free is the same at each address.
      for (const address of others) servers.push(await listen(make(), address, portOf(servers[0])));
      return servers;
    } catch (error) {
      await Promise.all(servers.map(closeServer));
      if (port !== 0 || tries === FREE_PORT_TRIES) throw error;
    }
  }
}

async function usable(known: readonly string[] | undefined): Promise<readonly string[]> {
  const all = known ?? (await lookup("localhost", { all: true })).map(({ address }) => address);
  const there = await Promise.all(all.map(isThere));
  return all.filter((_, place) => there[place]);
}

/** A name may have an address of a family that this machine has not. */
async function isThere(address: string): Promise<boolean> {
  try {
    await closeServer(await listen(createServer(), address, 0));
    return true;
  } catch {
    // Nobody can reach it there, so nothing is missed.
    return false;
  }
}

async function listen(server: Server, host: string, port: number): Promise<Server> {
  server.listen({ host, port });
  await once(server, "listening");
  return server;
}

/** Takes nothing new; as a server of sockets, because one of HTTP would also cut answers that are on their way. */
async function closeSockets(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    SocketServer.prototype.close.call(server, () => resolve());
  });
  // All are gone, so that it only ends Node's look for those that are too slow.
  await closeServer(server);
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // It says that it was closed already, which is as good.
    server.close(() => resolve());
  });
}

function portOf(server: Server): number {
  return addressOf(server).port;
}

/** An address at which it can be called from here: one that stands for all of them is none. */
function urlOf(server: Server): string {
  const { address, family, port } = addressOf(server);
  if (address === "0.0.0.0") return `http://127.0.0.1:${port}`;
  if (address === "::") return `http://[::1]:${port}`;
  return family === "IPv6" ? `http://[${address}]:${port}` : `http://${address}:${port}`;
}

function addressOf(server: Server): AddressInfo {
  // A server that listens on a port has an address of this kind.
  return server.address() as AddressInfo;
}
