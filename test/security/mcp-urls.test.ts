/** MCP servers that come by their URL with a request: what leads inside of the network is not connected to. */
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type LookupFunction } from "node:net";
import { createToolHost } from "@baton/tools";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { describe, expect, onTestFinished, test } from "vitest";
import { openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { createGuardedFetch } from "../../packages/tools/src/guarded-fetch.ts";
import { startHttpFixture } from "../../packages/tools/src/testing/http-fixture.ts";
import { useRedis } from "../support/redis.ts";

const REFUSED = "its address is not on the public internet";

/** A server inside: it counts who comes. */
async function inside(host = "127.0.0.1") {
  let connections = 0;
  const server = createTcpServer((socket) => {
    connections += 1;
    socket.destroy();
  }).listen(0, host);
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
  });
  // A server that listens on TCP has an address object.
  const { port } = server.address() as AddressInfo;
  return { port, connections: () => connections };
}

describe("a run that is submitted over HTTP", () => {
  const redis = useRedis();

  async function eventsOf(urls: readonly string[], allowPrivateAddresses: boolean): Promise<string> {
    await using tools = {
      host: createToolHost({
        servers: {},
        functions: [],
        env: {},
        allowPrivateAddresses,
        limits: { toolTimeoutMs: 5_000, toolResultCharsMax: 1_000, connectTimeoutMs: 5_000 },
      }),
      async [Symbol.asyncDispose]() {
        await this.host.close();
      },
    };
    await using api = await openApiRig(redis.url, { tools: tools.host, config: { allowPrivateAddresses } });
    const spec = { input: "hi", model: "openai/gpt-5.2", mcp_servers: urls };
    const { status, body } = await api.call("POST", "/v1/runs?wait=20", spec);
    expect([status, body.status]).toEqual([200, "succeeded"]);
    const events = await Array.fromAsync(
      api.producer.watch(body.id, { after: "0-0" }, AbortSignal.timeout(10_000)),
    );
    return JSON.stringify(events);
  }

  test("reaches no server on this machine by any name or spelling of its address", async () => {
    const { port, connections } = await inside();
    const hosts = ["localhost", "127.0.0.1", "127.1", "2130706433", "[::ffff:127.0.0.1]", "[::1]"];
    const events = await eventsOf(
      hosts.map((host) => `https://${host}:${port}/mcp?token=canary`),
      false,
    );
    expect(events.split(REFUSED).length - 1).toBeGreaterThanOrEqual(hosts.length);
    expect(connections()).toBe(0);
    expect(events).not.toContain("canary");
  });

  test("reaches it where the configuration allows private addresses", async () => {
    const { port, connections } = await inside();
    const events = await eventsOf([`https://127.0.0.1:${port}/mcp`], true);
    expect(events).not.toContain(REFUSED);
    expect(connections()).toBeGreaterThan(0);
  });
});

describe("a server that is public when it is looked at", () => {
  /** `meanings` of the name, one for each time that it is looked up; 127.0.0.1 stands for the public internet. */
  async function connect(port: number, meanings: readonly string[]): Promise<unknown> {
    let asked = 0;
    const lookup: LookupFunction = (_name, options, callback) => {
      const address = meanings[Math.min(asked, meanings.length - 1)] ?? "";
      asked += 1;
      if (options.all) callback(null, [{ address, family: 4 }]);
      else callback(null, address, 4);
    };
    const guarded = createGuardedFetch({
      allows: (address) => address === "127.0.0.1",
      plainHttp: true,
      lookup,
    });
    onTestFinished(() => guarded.close());
    const transport = new StreamableHTTPClientTransport(new URL(`http://public.test:${port}/mcp`), {
      fetch: guarded.fetch,
    });
    const client = new Client({ name: "test", version: "1" });
    try {
      await client.connect(transport);
      return undefined;
    } catch (error) {
      return error;
    } finally {
      await client.close();
    }
  }

  /** Sends whoever comes to `target`, and closes the connection, so that the name is looked up again. */
  async function redirector(target: (port: number) => string): Promise<number> {
    const server = createServer((_request, response) => {
      response.writeHead(307, { location: target(port), connection: "close" }).end();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      server.close();
    });
    // A server that listens on TCP has an address object.
    const { port } = server.address() as AddressInfo;
    return port;
  }

  test("is connected to while its name means the same", async () => {
    await using fixture = await startHttpFixture();
    expect(await connect(fixture.port, ["127.0.0.1"])).toBeUndefined();
  });

  test("and whose name then means an address inside (DNS rebinding) is left", async () => {
    const { port, connections } = await inside("127.0.0.2");
    expect(String(await connect(port, ["127.0.0.2"]))).toContain(REFUSED);
    expect(connections()).toBe(0);
  });

  test("and sends us inside by a redirect is not followed there", async () => {
    const { port, connections } = await inside("127.0.0.2");
    for (const target of [`http://127.0.0.2:${port}/mcp`, `http://localhost:${port}/mcp`]) {
      expect(await connect(await redirector(() => target), ["127.0.0.1"])).toBeInstanceOf(Error);
    }
    expect(connections()).toBe(0);
  });

  test("and sends us to itself, where its name means an address inside by then, is left", async () => {
    const port = await redirector((own) => `http://public.test:${own}/other`);
    expect(String(await connect(port, ["127.0.0.1", "127.0.0.2"]))).toContain(REFUSED);
  });
});
