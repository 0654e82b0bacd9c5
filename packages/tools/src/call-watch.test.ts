/** What becomes of a call whose stream is lost, against a server written byte by byte. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { callTool, NEVER, selectionOf, testHost, textIn } from "./testing/hosts.ts";

const web = selectionOf(["web"]);
const ANSWERS: Readonly<Record<string, unknown>> = {
  initialize: {
    protocolVersion: "2025-11-25",
    capabilities: { tools: {} },
    serverInfo: { name: "bytes", version: "1" },
  },
  "tools/list": { tools: [{ name: "t", inputSchema: { type: "object" } }] },
};

interface Script {
  readonly onCall: (response: ServerResponse, id: number) => void;
  readonly onResume: (response: ServerResponse) => void;
}

/** Answers everything but calls and resumptions, which follow the script. */
async function serve({ onCall, onResume }: Script): Promise<string> {
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.method !== "POST") {
      if (request.headers["last-event-id"] !== undefined) return onResume(response);
      return response.writeHead(405).end();
    }
    const { id, method } = JSON.parse(await text(request));
    if (id === undefined) return response.writeHead(202).end();
    if (method === "tools/call") return onCall(response, id);
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id, result: ANSWERS[method] }));
  };
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  // A server that listens on TCP has an address object.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

const STREAM = { "content-type": "text/event-stream" };
const RESUMABLE = "id: 1\nretry: 20\ndata: \n\n";
const answer = (id: number) =>
  `id: 2\ndata: ${JSON.stringify({ jsonrpc: "2.0", id, result: { content: [{ type: "text", text: "done" }] } })}\n\n`;

function hostOf(url: string) {
  return testHost({ servers: { web: { url, headers: {} } }, limits: { toolTimeoutMs: 60_000 } });
}

test("a stream that ends without the answer loses the call", async () => {
  const url = await serve({
    onCall: (response) => response.writeHead(200, STREAM).end(": nothing\n\n"),
    onResume: () => {},
  });
  await using host = hostOf(url);
  expect(textIn(await callTool(host, web, "t"))).toContain("the connection was lost before the answer came");
});

test("a stream that can be resumed is resumed", async () => {
  let asked = 0;
  const url = await serve({
    onCall: (response, id) => {
      asked = id;
      response.writeHead(200, STREAM).end(RESUMABLE);
    },
    onResume: (response) => response.writeHead(200, STREAM).end(answer(asked)),
  });
  await using host = hostOf(url);
  expect(textIn(await callTool(host, web, "t"))).toBe("done");
});

test("a stream whose resumption keeps failing loses the call", async () => {
  let resumed = 0;
  const url = await serve({
    onCall: (response) => response.writeHead(200, STREAM).end(RESUMABLE),
    onResume: (response) => {
      resumed += 1;
      response.writeHead(503).end();
    },
  });
  await using host = hostOf(url);
  expect(textIn(await callTool(host, web, "t"))).toContain("the connection was lost before the answer came");
  expect(resumed).toBe(2);
});

test("after an answer the server may end the stream in its own time, and an aborted call is not resumed", async () => {
  const open: ServerResponse[] = [];
  let resumed = 0;
  const url = await serve({
    onCall: (response, id) => {
      open.push(response.writeHead(200, STREAM));
      response.write(RESUMABLE);
      if (open.length === 1) response.write(answer(id));
      if (open.length === 3) setTimeout(() => response.end(answer(id)), 200);
    },
    onResume: (response) => {
      resumed += 1;
      response.writeHead(503).end();
    },
  });
  await using host = hostOf(url);
  expect(textIn(await callTool(host, web, "t"))).toBe("done");
  expect(open[0]?.closed).toBe(false);
  await host.list(web, NEVER);

  const controller = new AbortController();
  const call = callTool(host, web, "t", {}, controller.signal);
  await expect.poll(() => open.length).toBe(2);
  const closed = once(open[1] as ServerResponse, "close"); // The poll has seen it.
  controller.abort(new Error("fenced"));
  await expect(call).rejects.toThrow("fenced");
  await closed;
  // A call that takes longer than the retry time which the server gave: a resumption would have come by now.
  expect(textIn(await callTool(host, web, "t"))).toBe("done");
  expect(resumed).toBe(0);
});
