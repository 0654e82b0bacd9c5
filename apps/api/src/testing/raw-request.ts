/** Bytes as a client that is no friend sends them, and all that comes back until the connection ends. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface RawConnection extends Disposable {
  readonly socket: Socket;
  /** All that came, when the server has closed. */
  readonly ended: Promise<string>;
}

export async function openRaw(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  // A server that cuts off may reset the connection; what came before counts.
  socket.on("error", () => undefined);
  const ended = new Promise<string>((resolve) => {
    socket.on("close", () => resolve(Buffer.concat(chunks).toString("latin1")));
  });
  await once(socket, "connect");
  return { socket, ended, [Symbol.dispose]: () => socket.destroy() };
}

/** Sends the text and reads until the server closes. */
export async function sendRaw(url: string, text: string): Promise<string> {
  using raw = await openRaw(url);
  raw.socket.write(text);
  return await raw.ended;
}
