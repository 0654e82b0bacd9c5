import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo, LookupFunction } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { createGuardedFetch, type GuardedFetchOptions } from "./guarded-fetch.ts";
import { isPublicAddress } from "./public-address.ts";
import { until } from "./testing/hosts.ts";

async function serve(listener: RequestListener) {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    listener(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  // A server that listens on TCP has an address object.
  return { port: (server.address() as AddressInfo).port, seen };
}

/** Names as a test wants them; what it does not name is not found. */
function names(table: Readonly<Record<string, readonly string[]>>): LookupFunction {
  return (hostname, options, callback) => {
    const addresses = (table[hostname] ?? []).map((address) => ({
      address,
      family: address.includes(":") ? 6 : 4,
    }));
    if (addresses.length === 0) return callback(new Error(`${hostname} not found`), []);
    if (options.all) return callback(null, addresses);
    callback(null, addresses[0]?.address ?? "", addresses[0]?.family);
  };
}

function guarded(options: Partial<GuardedFetchOptions> = {}) {
  const made = createGuardedFetch({ allows: isPublicAddress, plainHttp: true, ...options });
  onTestFinished(() => made.close());
  return made.fetch;
}

const REFUSED = /was refused: its address is not on the public internet/;

describe("refused", () => {
  test.each([
    "http://127.0.0.1/",
    "http://127.1/",
    "http://0x7f000001/",
    "http://2130706433/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://169.254.169.254/latest/meta-data",
    "http://100.64.0.1/",
    "http://224.0.0.1/",
  ])("%s, an address that needs no lookup", async (url) => {
    await expect(guarded()(url)).rejects.toThrow(REFUSED);
  });

  test.each([["10.0.0.8"], ["::ffff:10.0.0.8"], ["8.8.8.8", "192.168.0.1"], ["fd00::1"]])(
    "a name that resolves to %s",
    async (...addresses) => {
      const fetch = guarded({ lookup: names({ "rebind.test": addresses }) });
      await expect(fetch("http://rebind.test/")).rejects.toThrow(REFUSED);
    },
  );

  test("a name of this machine, by the system's own lookup", async () => {
    const { port, seen } = await serve((_request, response) => response.end("secret"));
    await expect(guarded()(`http://localhost:${port}/`)).rejects.toThrow(REFUSED);
    expect(seen).toEqual([]);
  });

  test("a name that is public when it is checked first and private when it is connected to", async () => {
    const { port, seen } = await serve((_request, response) => response.end("secret"));
    let asked = 0;
    const lookup: LookupFunction = (hostname, options, callback) => {
      asked += 1;
      names({ "flip.test": [asked === 1 ? "203.0.114.1" : "127.0.0.1"] })(hostname, options, callback);
    };
    const fetch = guarded({ lookup });
    lookup("flip.test", { all: true }, () => {});
    await expect(fetch(`http://flip.test:${port}/`)).rejects.toThrow(REFUSED);
    expect(seen).toEqual([]);
  });

  test("a connection whose other end is not what the lookup said", async () => {
    const { port, seen } = await serve((_request, response) => response.end("secret"));
    let judged = 0;
    // The lookup's answer passes, the connected peer does not.
    const fetch = guarded({ lookup: names({ "a.test": ["127.0.0.1"] }), allows: () => ++judged === 1 });
    await expect(fetch(`http://a.test:${port}/`, { method: "POST", body: "x" })).rejects.toThrow(REFUSED);
    expect(seen).toEqual([]);
  });

  test("plain http, unless it is allowed", async () => {
    await expect(guarded({ plainHttp: false })("http://example.com/")).rejects.toThrow(
      "the URL must be https",
    );
    await expect(guarded()("ftp://example.com/")).rejects.toThrow("the URL must be https");
  });
});

describe("allowed", () => {
  const open = { lookup: names({ "a.test": ["127.0.0.1"] }), allows: () => true };

  test("a request goes out as it was given, and the answer comes back", async () => {
    const { port } = await serve(async (request, response) => {
      const body = (await request.toArray()).join("");
      response.writeHead(201, {
        "x-echo": `${request.headers["x-in"]} ${request.headers.host}`,
        "set-cookie": ["a", "b"],
      });
      response.end(`${request.method} ${request.url} ${body}`);
    });
    const response = await guarded(open)(`http://a.test:${port}/path?q=1`, {
      method: "POST",
      headers: new Headers({ "x-in": "yes" }),
      body: "ünicode",
    });
    expect(response.status).toBe(201);
    expect(response.headers.get("x-echo")).toBe(`yes a.test:${port}`);
    expect(response.headers.getSetCookie()).toEqual(["a", "b"]);
    expect(await response.text()).toBe("POST /path?q=1 ünicode");
  });

  test("a redirect is handed back, not followed, so that its target comes through the guard", async () => {
    const { port, seen } = await serve((_request, response) =>
      response.writeHead(302, { location: "/inside" }).end(),
    );
    const response = await guarded(open)(`http://a.test:${port}/`);
    expect([response.status, response.headers.get("location")]).toEqual([302, "/inside"]);
    expect(seen).toEqual(["GET /"]);
  });

  test("answers without a body have none", async () => {
    const { port } = await serve((_request, response) => response.writeHead(204).end());
    const response = await guarded(open)(`http://a.test:${port}/`);
    expect([response.status, response.body]).toEqual([204, null]);
  });

  test("a stream arrives while it is written, and an abort ends it", async () => {
    let closed = false;
    const { port } = await serve((_request, response) => {
      response.write("first");
      response.once("close", () => {
        closed = true;
      });
    });
    const controller = new AbortController();
    const response = await guarded(open)(`http://a.test:${port}/`, { signal: controller.signal });
    const reader = response.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("first");
    controller.abort();
    await expect(reader?.read()).rejects.toThrow();
    await until("the server saw the end", () => closed);
  });

  test("an abort before the answer throws", async () => {
    const { port, seen } = await serve(() => {});
    const controller = new AbortController();
    const pending = guarded(open)(`http://a.test:${port}/`, { signal: controller.signal });
    await until("the request arrived", () => seen.length === 1);
    controller.abort();
    await expect(pending).rejects.toThrow(/abort/i);
  });

  test("a name that is not found throws", async () => {
    await expect(guarded(open)("http://b.test/")).rejects.toThrow("b.test not found");
  });
});
