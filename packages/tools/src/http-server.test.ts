/** Sessions over streamable HTTP, and what networks do to them. */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { callTool, NEVER, NO_WAIT, selectionOf, testHost, textIn, until } from "./testing/hosts.ts";
import { startHttpFixture } from "./testing/http-fixture.ts";

const web = selectionOf(["web"]);

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  // A server that listens on TCP has an address object.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

describe("a session", () => {
  test("is shared by concurrent calls", async () => {
    await using fixture = await startHttpFixture();
    await using host = testHost({ servers: { web: { url: fixture.url, headers: {} } } });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => callTool(host, web, "echo", { text: index })),
    );
    expect(answers.map(textIn)).toEqual(Array.from({ length: 20 }, (_, index) => String(index)));
    expect(fixture.requests.filter((request) => request === "POST initialize")).toHaveLength(1);
    // One for each page.
    expect(fixture.requests.filter((request) => request === "POST tools/list")).toHaveLength(6);
  });

  test("that the server forgot is replaced once for all calls that met it", async () => {
    await using fixture = await startHttpFixture();
    await using host = testHost({ servers: { web: { url: fixture.url, headers: {} } } });
    await host.list(web, NEVER);
    await until("the stream for notifications is open", () => fixture.openStreams() === 1);
    fixture.forgetSessions();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => callTool(host, web, "echo", { text: index })),
    );
    expect(answers.map(textIn)).toEqual(Array.from({ length: 20 }, (_, index) => String(index)));
    expect(fixture.requests.filter((request) => request === "POST initialize")).toHaveLength(2);
    await until("of the two streams for notifications the old one is closed", () => {
      const opened = fixture.requests.filter((request) => request === "GET ").length;
      return opened === 2 && fixture.openStreams() === 1;
    });
  });

  test("that the server forgot is replaced, and the call that met it runs once", async () => {
    await using fixture = await startHttpFixture();
    await using host = testHost({ servers: { web: { url: fixture.url, headers: {} } } });
    await host.list(web, NEVER);
    fixture.forgetSessions();
    expect(textIn(await callTool(host, web, "echo", { text: "once" }))).toBe("once");
    expect(fixture.requests.filter((request) => request === "POST initialize")).toHaveLength(2);
    // The first was refused before it ran.
    expect(fixture.requests.filter((request) => request === "POST tools/call")).toHaveLength(2);
  });

  test("hears that the list changed", async () => {
    await using fixture = await startHttpFixture();
    await using host = testHost({ servers: { web: { url: fixture.url, headers: {} } } });
    await host.list(web, NEVER);
    await until("the stream for notifications is open", () => fixture.requests.includes("GET "));
    await callTool(host, web, "add_tool", { name: "extra" });
    await until("the new tool is listed", async () =>
      (await host.list(web, NEVER)).tools.some(({ name }) => name === "extra"),
    );
  });

  test("lists anew after five minutes, since a notification can be lost with its stream", async () => {
    await using fixture = await startHttpFixture();
    let now = 0;
    await using host = testHost({
      servers: { web: { url: fixture.url, headers: {} } },
      clock: { now: () => now },
    });
    const lists = () => fixture.requests.filter((request) => request === "POST tools/list").length;
    await host.list(web, NEVER);
    const once = lists();
    now = 299_000;
    await host.list(web, NEVER);
    expect(lists()).toBe(once);
    now = 301_000;
    await host.list(web, NEVER);
    expect(lists()).toBe(2 * once);
  });

  test("is ended on close: the server is told, and no connection stays", async () => {
    await using fixture = await startHttpFixture();
    const host = testHost({ servers: { web: { url: fixture.url, headers: {} } } });
    await host.list(web, NEVER);
    await host.close();
    expect(fixture.requests.at(-1)).toBe("DELETE ");
  });
});

describe("a call", () => {
  test("whose connection is cut becomes an error outcome at once, not at its timeout", async () => {
    await using fixture = await startHttpFixture();
    await using host = testHost({
      servers: { web: { url: fixture.url, headers: {} } },
      limits: { toolTimeoutMs: 60_000 },
    });
    const outcome = await callTool(host, web, "die");
    expect(outcome.isError).toBe(true);
    expect(textIn(outcome)).toContain("the connection was lost before the answer came");
    expect(textIn(await callTool(host, web, "echo", { text: "next" }))).toBe("next");
  });

  test("that takes too long is cancelled at the server, and its connection is let go", async () => {
    await using fixture = await startHttpFixture();
    await using host = testHost({ servers: { web: { url: fixture.url, headers: {}, timeoutMs: 150 } } });
    await host.list(web, NEVER);
    await until("the stream for notifications is open", () => fixture.requests.includes("GET "));
    const calls = await Promise.all(Array.from({ length: 5 }, () => callTool(host, web, "hang")));
    for (const call of calls) expect(textIn(call)).toContain("timed out after 150 ms");
    await until("the server heard of all", async () => {
      const { cancelled } = JSON.parse(textIn(await callTool(host, web, "hung")));
      return cancelled.length === 5;
    });
    await until("their connections are let go", () => fixture.openCalls() === 0, 1_000);
  });

  test("to a server that is down fails soon, and works again when it is back", async () => {
    let now = 0;
    const first = await startHttpFixture();
    await using host = testHost({
      servers: { web: { url: first.url, headers: {} } },
      clock: { now: () => now, delay: NO_WAIT },
    });
    await host.list(web, NEVER);
    await first[Symbol.asyncDispose]();
    const down = await callTool(host, web, "echo", { text: "x" });
    expect(down.isError).toBe(true);
    expect(textIn(down)).toMatch(/ECONNREFUSED|ECONNRESET|other side closed|socket/i);
    await using _second = await startHttpFixture({ port: first.port });
    now = 60_000;
    expect(textIn(await callTool(host, web, "echo", { text: "back" }))).toBe("back");
  });
});

describe("what a server refuses", () => {
  test("is told without the credentials that were given", async () => {
    const url = await serve((request, response) => {
      response
        .writeHead(500)
        .end(`bad key ${request.headers["x-api-key"]} of ${request.headers.authorization}`);
    });
    const problems: string[] = [];
    await using host = testHost({
      // biome-ignore lint/suspicious/noTemplateCurlyInString: placeholders of the configuration.
      servers: { web: { url, headers: { "x-api-key": "${WEB_KEY}", Authorization: "Bearer ${WEB_TOKEN}" } } },
      env: { WEB_KEY: "k-123456789", WEB_TOKEN: "t-abcdefgh" },
      onProblem: ({ message }) => problems.push(message),
    });
    const listed = await host.list(web, NEVER);
    const outcome = await callTool(host, web, "echo");
    const told = JSON.stringify([listed.problems, outcome, problems]);
    expect(told).toContain("HTTP 500: bad key [redacted] of [redacted]");
    expect(told).not.toContain("k-123456789");
    expect(told).not.toContain("t-abcdefgh");
  });

  test("is told without the keys in the URL that was configured", async () => {
    const url = await serve((request, response) => {
      response
        .writeHead(500)
        .end(`no: ${request.url} and ${new URL(request.url ?? "", "http://a").searchParams}`);
    });
    await using host = testHost({
      servers: { web: { url: `${url}?key=\${WEB}&other=plain-value`, headers: {} } },
      env: { WEB: "q/123456789" },
    });
    const { problems } = await host.list(web, NEVER);
    expect(problems[0]?.message).toContain("HTTP 500: no: /mcp?key=[redacted]");
    expect(problems[0]?.message).not.toMatch(/123456789|plain-value/);
  });

  test("for its credentials is said so", async () => {
    const url = await serve((_request, response) => response.writeHead(401).end());
    await using host = testHost({ servers: { web: { url, headers: {} } } });
    const { problems } = await host.list(web, NEVER);
    expect(problems).toEqual([{ server: "web", message: "the server refused the credentials (HTTP 401)" }]);
  });

  test("by never answering is given up after the connect timeout", async () => {
    const url = await serve(() => {});
    await using host = testHost({
      servers: { web: { url, headers: {} } },
      limits: { connectTimeoutMs: 200 },
    });
    const { problems } = await host.list(web, NEVER);
    expect(problems).toEqual([{ server: "web", message: "did not answer within 200 ms" }]);
  });
});

describe("a URL as the name of a server", () => {
  test("is refused when its address is private, and nothing is sent", async () => {
    await using fixture = await startHttpFixture();
    await using host = testHost();
    const url = fixture.url.replace("http:", "https:");
    const { problems } = await host.list(selectionOf([url, fixture.url]), NEVER);
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringContaining("the URL must be https"),
      expect.stringContaining("its address is not on the public internet"),
    ]);
    expect(fixture.requests).toEqual([]);
  });

  test("is refused when its name resolves to a private address", async () => {
    await using host = testHost();
    const { problems } = await host.list(selectionOf(["https://localhost:1/mcp"]), NEVER);
    expect(problems[0]?.message).toContain(
      "localhost was refused: its address is not on the public internet",
    );
  });

  test("works when the operator allows private addresses", async () => {
    await using fixture = await startHttpFixture();
    await using host = testHost({ allowPrivateAddresses: true });
    const selection = selectionOf([fixture.url]);
    expect(textIn(await callTool(host, selection, "echo", { text: "hello" }))).toBe("hello");
  });

  test("is shown without its query, which may hold a key", async () => {
    await using fixture = await startHttpFixture();
    await using host = testHost({ allowPrivateAddresses: true });
    const url = `${fixture.url}?key=sesame-open`;
    const { tools } = await host.list(
      selectionOf([url, `${url.replace(fixture.port.toString(), "1")}`]),
      NEVER,
    );
    expect(tools[0]?.origin).toEqual({ kind: "mcp", server: fixture.url, tool: tools[0]?.name });
    const { problems } = await host.list(selectionOf([`http://127.0.0.1:1/mcp?key=sesame-open`]), NEVER);
    expect(problems).toHaveLength(1);
    expect(JSON.stringify(problems)).not.toContain("sesame");
  });

  test("takes the place of the one that was idle for longest when there are many", async () => {
    await using fixture = await startHttpFixture();
    await using host = testHost({ allowPrivateAddresses: true });
    const count = 80;
    for (let index = 0; index < count; index += 1) {
      const { problems } = await host.list(selectionOf([`${fixture.url}?n=${index}`]), NEVER);
      expect(problems).toEqual([]);
    }
    await until(
      "the oldest were ended",
      () => fixture.requests.filter((request) => request === "DELETE ").length === count - 64,
    );
    const first = selectionOf([`${fixture.url}?n=0`]);
    expect(textIn(await callTool(host, first, "echo", { text: "again" }))).toBe("again");
  });
});
