/**
 * A provider and its MCP server that talk too much: whatever they are shown (keys, headers), they say again in their errors
 * and results. What they do is told by the model's name.
 */

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";

export interface LooseProvider extends AsyncDisposable {
  readonly url: string;
  /** What it was shown, as text: proof that the secrets got there. */
  readonly shown: readonly string[];
}

/** How a model fails; `good` calls each tool that it is offered once, and then answers. */
export const LOOSE_MODELS = [
  "good",
  "s400",
  "s401",
  "s403",
  "s404",
  "s429",
  "s500",
  "html",
  "garbled",
  "cut",
] as const;

export async function startLooseProvider(): Promise<LooseProvider> {
  const shown: string[] = [];
  const server = createServer((request, response) => {
    const told = `${request.url} ${JSON.stringify(request.headers)}`;
    shown.push(told);
    answer(request, response, told).catch((error: unknown) => response.destroy(error as Error));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  // A server that listens on TCP has an address object.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    shown,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, told: string): Promise<void> {
  const body: unknown = JSON.parse(Buffer.concat(await request.toArray()).toString() || "null");
  if (request.url?.startsWith("/refuses")) {
    response
      .writeHead(401, { "content-type": "text/plain", "www-authenticate": told })
      .end(`I do not take ${told}`);
  } else if (request.url?.startsWith("/mcp")) await answerMcp(request, response, body, told);
  else answerModel(response, body, told);
}

interface ModelBody {
  readonly model: string;
  readonly messages?: readonly { readonly role: string }[];
  readonly tools?: readonly { readonly function?: { readonly name: string } }[];
}

function answerModel(response: ServerResponse, raw: unknown, told: string): void {
  // What the clients of providers send.
  const body = raw as ModelBody;
  if (body.model === "good") answerWell(response, body);
  else if (body.model === "html") {
    response.writeHead(502, { "content-type": "text/html" }).end(`<h1>Bad gateway</h1><pre>${told}</pre>`);
  } else if (body.model === "garbled" || body.model === "cut") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`data: {"error": ${JSON.stringify(told)}, not JSON\n\n`);
    if (body.model === "cut") response.destroy();
    else response.end();
  } else {
    const message = `you sent ${told}`;
    response
      .writeHead(Number(body.model.slice(1)), {
        "content-type": "application/json",
        "x-told": told,
        "retry-after": "0",
      })
      .end(
        JSON.stringify({ type: "error", error: { type: message, code: message, message, param: message } }),
      );
  }
}

/** In the form of chat completions. */
function answerWell(response: ServerResponse, { messages = [], tools = [] }: ModelBody): void {
  const isFirst = !messages.some(({ role }) => role === "tool");
  const calls = tools.map(({ function: called }, index) => ({
    index,
    id: `call_${index}`,
    type: "function",
    function: { name: called?.name, arguments: "{}" },
  }));
  const callsNow = isFirst && calls.length > 0;
  const delta = callsNow ? { role: "assistant", tool_calls: calls } : { role: "assistant", content: "Done." };
  const chunk = (choice: object) =>
    `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "good", choices: [choice] })}\n\n`;
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(chunk({ index: 0, delta, finish_reason: null }));
  response.write(chunk({ index: 0, delta: {}, finish_reason: callsNow ? "tool_calls" : "stop" }));
  response.end("data: [DONE]\n\n");
}

/** A server without sessions, whose tools tell what they were shown: as a result, as an error, and by breaking. */
async function answerMcp(
  request: IncomingMessage,
  response: ServerResponse,
  body: unknown,
  told: string,
): Promise<void> {
  const server = new Server({ name: "loose", version: "1" }, { capabilities: { tools: {} } });
  const names = ["tell", "fail", "break"];
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: names.map((name) => ({ name, inputSchema: { type: "object" as const } })),
  }));
  server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
    if (params.name === "break") throw new Error(`broke over ${told}`);
    return { isError: params.name === "fail", content: [{ type: "text" as const, text: told }] };
  });
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
  await server.connect(transport);
  response.once("close", () => {
    server.close().catch(() => undefined);
  });
  await transport.handleRequest(request, response, body);
}
