/**
 * Clients whose commands wait while Redis cannot take them. ioredis sends again what a lost connection left unanswered,
 * but gives up on a part of what was pipelined together once another part had been answered, and in a cluster on much of
 * what goes by: a node that loads its data, a primary that is one no more. Here each such command is sent again by
 * itself, until it is taken or the client is closed. Every command of ours may be sent twice (R1), and what BullMQ sends
 * is sent again by ioredis as it is. A command of a transaction is left alone: without the rest of it, it means nothing.
 *
 * BullMQ duplicates the client for its blocking reads, so a duplicate is made steady as well. No error of such a client has
 * the command in it (R9).
 */
import type { Cluster, Command, Redis } from "ioredis";
import { dropCommand } from "./drop-command.ts";
import { isCluster } from "./redis-client.ts";

const AGAIN_MS = 100;
/** A part of its pipeline had been answered when the connection was lost. */
const CUT_OFF = /^Command aborted due to connection close/;
/** Refusals by a cluster that go by. What a server says is told by its first word, what the client says by the sentence. */
const PASSING_REPLY = /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN|READONLY|LOADING|MASTERDOWN|NOREPLICAS)\b/;
const PASSING_FAULT =
  /^(Connection is closed\.|Cluster isn't ready|No subscriber for the cluster|None of startup nodes is available|Too many Cluster redirections)/;
/** The slot is elsewhere: it is asked there at once. */
const REDIRECTION = /^(MOVED|ASK)\b/;

/** For what nobody tells a duplicate of. */
const DUPLICATE_REFRESH_MS = 60_000;
/** Of a single client; one that is on its way must be left alone: it would end. */
const IS_CONNECTED = /^(connect|ready)$/;

const OWN_REJECT = Symbol("reject");
type Met = Command & { [OWN_REJECT]?: Command["reject"] };

interface Waiting {
  readonly timer: NodeJS.Timeout;
  readonly giveUp: () => void;
}

/** Makes the client steady, and gives it back. */
export function steady<Client extends Redis | Cluster>(client: Client): Client {
  const send = client.sendCommand.bind(client);
  const disconnect = client.disconnect.bind(client);
  const waiting = new Set<Waiting>();
  const ofCluster = isCluster(client);
  let isClosed = false;

  const sendAgain = (command: Command, ms: number, giveUp: () => void): void => {
    const timer = setTimeout(() => {
      waiting.delete(own);
      send(command);
    }, ms);
    const own = { timer, giveUp };
    waiting.add(own);
  };
  const isPassing = ({ message }: Error): boolean =>
    CUT_OFF.test(message) || (ofCluster && (PASSING_REPLY.test(message) || PASSING_FAULT.test(message)));

  // One function for all commands, because there are many: what a command had before stands on the command itself.
  function refuse(this: Met, error: Error): void {
    dropCommand(error);
    const giveUp = () => this[OWN_REJECT]?.(error);
    // Closed by its owner, and not opened again since.
    const isOver = isClosed && client.status !== "ready";
    if (isOver || !isPassing(error) || isOfTransaction(this)) giveUp();
    else sendAgain(this, REDIRECTION.test(error.message) ? 0 : AGAIN_MS, giveUp);
  }
  client.sendCommand = (command: Met, stream?: Parameters<Redis["sendCommand"]>[1], node?: unknown) => {
    // What ioredis asks the cluster about itself has its own ways to fail.
    if (command[OWN_REJECT] === undefined && command.name !== "cluster") {
      command[OWN_REJECT] = command.reject;
      command.reject = refuse;
    }
    return send(command, stream, node);
  };
  client.disconnect = (reconnect = false) => {
    if (!reconnect) isClosed = true;
    disconnect(reconnect);
    if (reconnect) return;
    for (const { timer, giveUp } of waiting) {
      clearTimeout(timer);
      giveUp();
    }
    waiting.clear();
  };
  // Before whoever listens already.
  client.prependListener("error", dropCommand);
  keepSteady(client);
  return client;
}

function isOfTransaction(command: Command): boolean {
  return command.inTransaction || command.name === "multi" || command.name === "exec";
}

/**
 * The methods are generic in how replies are mapped, which a duplicate keeps. BullMQ ends a blocking read that is late by
 * itself, but not what it asks before the first one. There are many duplicates, so none asks all the time who the primary
 * is: each is told by the client that it was made from.
 */
function keepSteady(client: Redis | Cluster): void {
  if (isCluster(client)) {
    const duplicate = client.duplicate.bind(client);
    const duplicates = new Set<Cluster>();
    client.duplicate = ((nodes, options) =>
      known(
        duplicates,
        steady(duplicate(nodes, { ...options, slotsRefreshInterval: DUPLICATE_REFRESH_MS })),
      )) as Cluster["duplicate"];
    client.on("refresh", () => {
      const primaries = primariesOf(client);
      for (const other of duplicates) if (primariesOf(other) !== primaries) other.refreshSlotsCache();
    });
    return;
  }
  const duplicate = client.duplicate.bind(client);
  const duplicates = new Set<Redis>();
  client.duplicate = ((options) =>
    known(duplicates, steady(duplicate({ ...options, failoverDetector: false })))) as Redis["duplicate"];
  if (client.options.failoverDetector !== true) return;
  // A primary that hangs keeps its connections: those of the duplicates end when the client has come to another one.
  client.on("ready", () => {
    for (const other of duplicates) if (IS_CONNECTED.test(other.status)) other.disconnect(true);
  });
}

/** Keeps a duplicate in the set as long as it is open; BullMQ may open one again that has ended. */
function known<Client extends Redis | Cluster>(open: Set<Client>, client: Client): Client {
  open.add(client);
  client.on("connect", () => open.add(client));
  client.on("end", () => open.delete(client));
  return client;
}

/** Who they are to the client, as one text. Before it has asked anybody, all that it was told of are. */
function primariesOf(cluster: Cluster): string {
  const places = cluster.nodes("master").map(({ options: { host, port } }) => `${host}:${port}`);
  return places.sort().join();
}
