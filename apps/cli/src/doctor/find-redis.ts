/**
 * Which Redis is meant, and whether it answers at all. Nothing is started, adopted or cleaned up: the doctor only
 * looks. The first question goes over a bare socket, because it must end within its time whatever is on the other
 * side: a client waits for as long as a server loads its data or says nothing.
 */
import { readFile } from "node:fs/promises";
import { connect as connectPlain, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { parseRedisUrl } from "@baton/store";

export type RedisPlace =
  | { readonly kind: "external"; readonly url: string }
  /** Of the data folder, started by another process. */
  | { readonly kind: "embedded"; readonly url: string }
  | { readonly kind: "none" };

export type FirstAnswer =
  /** It speaks, even if only to ask for a password. */
  | { readonly kind: "answers" }
  | { readonly kind: "loading" }
  | { readonly kind: "password" }
  | { readonly kind: "silent"; readonly why: string }
  /** Nobody listens there. */
  | { readonly kind: "nobody"; readonly why: string };

export async function findRedis(redisUrl: string | undefined, dataDir: string): Promise<RedisPlace> {
  if (redisUrl !== undefined) return { kind: "external", url: redisUrl };
  const url = await recordedUrl(join(dataDir, "redis", "server.json"));
  if (url === undefined) return { kind: "none" };
  // The record outlives a server that was killed; what counts is who answers.
  const answer = await firstAnswer(url, 3_000);
  return answer.kind === "nobody" ? { kind: "none" } : { kind: "embedded", url };
}

/** Sends one PING, and takes the first words of the reply for the answer. */
export async function firstAnswer(url: string, limitMs: number): Promise<FirstAnswer> {
  const { promise, resolve } = Promise.withResolvers<FirstAnswer>();
  let socket: Socket;
  try {
    socket = openSocket(url);
  } catch {
    return { kind: "nobody", why: "the address cannot be read" };
  }
  const timer = setTimeout(() => resolve(silent(`no answer within ${limitMs / 1_000} s`)), limitMs);
  socket.once("error", (error: NodeJS.ErrnoException) => resolve(failed(error)));
  socket.once("close", () => resolve(silent("the connection was closed at once")));
  socket.once("data", (data) => resolve(readAnswer(data.toString("latin1"))));
  socket.write("PING\r\n");
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

function readAnswer(text: string): FirstAnswer {
  if (text.startsWith("-LOADING")) return { kind: "loading" };
  if (text.startsWith("-NOAUTH")) return { kind: "password" };
  return /^[+-]/.test(text) ? { kind: "answers" } : silent("what answers is not Redis");
}

function silent(why: string): FirstAnswer {
  return { kind: "silent", why };
}

function failed(error: NodeJS.ErrnoException): FirstAnswer {
  return { kind: "nobody", why: error.code ?? "the connection failed" };
}

/** Of several addresses it is the first. Throws for a URL that the client does not take. */
function openSocket(url: string): Socket {
  const place = parseRedisUrl(url);
  if (place.kind === "socket") return connectPlain({ path: place.path });
  const { tls, family } = place.access;
  const [first] =
    place.kind === "single" ? [place.at] : place.kind === "cluster" ? place.nodes : place.sentinels;
  const where = {
    ...(first ?? { host: "127.0.0.1", port: 6_379 }),
    ...(family === undefined ? {} : { family }),
  };
  if (tls === undefined) return connectPlain(where);
  // Only whether it speaks is asked here, and nothing is told to it; the client checks the certificate.
  return connectTls({ servername: where.host, ...where, ...tls, rejectUnauthorized: false });
}

async function recordedUrl(file: string): Promise<string | undefined> {
  try {
    const record: unknown = JSON.parse(await readFile(file, "utf8"));
    const url: unknown =
      typeof record === "object" && record !== null ? Reflect.get(record, "url") : undefined;
    return typeof url === "string" ? url : undefined;
  } catch {
    // No record, or half of one: then no server of this folder is known.
    return undefined;
  }
}
