/**
 * A request has a time in which it must have come, which a server has for all of its connections. A batch's file may take
 * longer than that on a slow line; while it comes, its connection is left alone, and who reads it bounds its time.
 */
import type { Socket } from "node:net";

const patient = new WeakSet<Socket>();

/** Until it is disposed, the request that comes on the connection is not cut for being slow. */
export function allowSlowBody(socket: Socket): Disposable {
  patient.add(socket);
  return { [Symbol.dispose]: () => void patient.delete(socket) };
}

export function mayBeSlow(socket: Socket): boolean {
  return patient.has(socket);
}
