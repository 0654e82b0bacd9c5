/** What is under the client of a session: a child process or HTTP, how each tells of its end, and its close. */
import { abortable } from "@baton/core";
import type { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { openChild } from "./child-transport.ts";
import { openHttpLink } from "./http-link.ts";
import type { HttpEndpoint, StdioEndpoint } from "./server-lookup.ts";

export interface SessionLink {
  readonly transport: Transport;
  /** How it ended and what it said last; empty when nothing is known. */
  readonly lastWords: (redact: (text: string) => string) => string;
  /** Whether it was ended for what it sent, which it would send again. */
  readonly isFaulty: () => boolean;
  /** How long it asked to wait when it last refused something. */
  readonly retryAfterMs: () => number | undefined;
  /** May be called at any time, also twice. A child is gone on return. */
  readonly close: () => Promise<void>;
}

export interface LinkOptions {
  readonly allowPrivateAddresses: boolean;
  /** How long the other side may take to go. */
  readonly closeGraceMs: number;
}

/** Bounds one message of a server, a result with its files included. */
const MESSAGE_BYTES_MAX = 32 * 1024 * 1024;

export function openLink(
  endpoint: StdioEndpoint | HttpEndpoint,
  { allowPrivateAddresses, closeGraceMs }: LinkOptions,
): SessionLink {
  if (endpoint.kind === "http") {
    const link = openHttpLink(endpoint, { allowPrivateAddresses, messageBytesMax: MESSAGE_BYTES_MAX });
    return {
      transport: link.transport,
      lastWords: () => "",
      isFaulty: () => false,
      retryAfterMs: link.retryAfterMs,
      close: async () => {
        await freeSession(link.transport, closeGraceMs);
        await link.transport.close();
        link.release();
      },
    };
  }
  const limits = { messageBytesMax: MESSAGE_BYTES_MAX, graceMs: closeGraceMs };
  const { transport, tail, ending, isFaulty } = openChild(endpoint, limits);
  return {
    transport,
    lastWords: (redact) => {
      const said = tail.line(redact);
      const parts = [ending(), said === "" ? undefined : `it said: ${said}`];
      return parts.filter((part) => part !== undefined).join("; ");
    },
    isFaulty,
    retryAfterMs: () => undefined,
    close: () => transport.close(),
  };
}

/** Tells the server that the session is over. A courtesy: a server that is gone has nothing to free. */
async function freeSession(transport: StreamableHTTPClientTransport, graceMs: number): Promise<void> {
  try {
    await abortable(transport.terminateSession(), AbortSignal.timeout(graceMs));
  } catch {
    // Closed anyway, right after.
  }
}
