/** Requests through connections that break, servers that are not ready, and answers that are none. */
import type { ServerResponse } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { until } from "../../../../test/support/until.ts";
import type { RemoteProducer } from "./remote-producer.ts";
import { RUN_ID, runView } from "./testing/run-views.ts";
import { drop, json, openServer, problem } from "./testing/scripted-server.ts";

const SPEC = { input: "hi", model: "openai/gpt" };
const never = new AbortController().signal;

describe("a submission", () => {
  test("whose answer is lost is sent again with the same key and body, and is one run", async () => {
    await using server = await openServer((_asked, response, place) =>
      place < 2 ? drop(response) : json(response, 200, { ...runView(), created: false }),
    );
    const remote = await server.connect();
    expect(await remote.submit(SPEC)).toEqual({ runId: RUN_ID, created: false });
    const [first, ...rest] = server.asked;
    expect(first?.headers["idempotency-key"]).toMatch(/^[\w-]{24}$/);
    expect(rest.map(({ headers, body }) => [headers["idempotency-key"], body])).toEqual(
      rest.map(() => [first?.headers["idempotency-key"], JSON.stringify(SPEC)]),
    );
    expect(server.borne).toEqual(["server_unreachable", "server_unreachable"]);
    await remote.submit(SPEC);
    expect(server.asked.at(-1)?.headers["idempotency-key"]).not.toBe(first?.headers["idempotency-key"]);
  });

  test("with a key, or a place in a batch, has no other key", async () => {
    await using server = await openServer((_asked, response) => json(response, 202, runView()));
    const remote = await server.connect({ apiKey: "bk_secret" });
    await remote.submit(SPEC, { idempotencyKey: "mine", trace: "nonsense" });
    await remote.submit(SPEC, { batch: { id: "b", customId: "ü &" } });
    expect(server.asked[0]?.headers).toMatchObject({
      "idempotency-key": "mine",
      authorization: "Bearer bk_secret",
    });
    expect(server.asked[0]?.headers.traceparent).toBeUndefined();
    expect(server.asked[1]?.headers["idempotency-key"]).toBeUndefined();
    expect(server.asked[1]?.url).toBe("/v1/runs?batch=b&custom_id=%C3%BC+%26");
  });
});

describe("a server that is not ready", () => {
  test("is asked again after the time that it names", async () => {
    let askedAt = 0;
    await using server = await openServer((_asked, response, place) => {
      if (place > 0) return json(response, 200, runView());
      askedAt = performance.now();
      problem(response, 503, "shutting_down", { "retry-after-ms": "400" });
    });
    expect((await (await server.connect()).get(RUN_ID)).run.id).toBe(RUN_ID);
    expect(performance.now() - askedAt).toBeGreaterThanOrEqual(399);
    expect(server.borne).toEqual(["shutting_down"]);
  });

  test.each([
    [503, "redis_unreachable", {}, "redis_unreachable"],
    [502, undefined, {}, "server_unreachable"],
    [429, "rate_limited", { "retry-after-ms": "20" }, "rate_limited"],
  ])(
    "for longer than it is waited for is told by its last answer: %s %s",
    async (status, code, headers, told) => {
      await using server = await openServer((_asked, response) =>
        code === undefined
          ? void response.writeHead(status).end("<html>bad gateway</html>")
          : problem(response, status, code, headers),
      );
      const remote = await server.connect({ patienceMs: 400 });
      await expect(remote.get(RUN_ID)).rejects.toMatchObject({ code: told });
      expect(server.asked.length).toBeGreaterThan(1);
    },
  );

  test("and falls silent counts as away, before its answer and in the middle of it", async () => {
    await using server = await openServer((_asked, response, place) => {
      if (place === 1) response.writeHead(200, { "content-type": "application/json" }).write('{"id":');
      if (place > 1) json(response, 200, runView());
    });
    const remote = await server.connect({ silenceMsMax: 150 });
    expect((await remote.get(RUN_ID)).run.id).toBe(RUN_ID);
    expect(server.borne).toEqual(["server_unreachable", "server_unreachable"]);
  });

  test("is let go of at once by an abort", async () => {
    await using server = await openServer((_asked, response) => problem(response, 503, "redis_unreachable"));
    const remote = await server.connect();
    const letGo = new AbortController();
    const watching = remote.watchBatch("b", letGo.signal).next();
    await until(() => server.borne.length > 0, { what: "a failure" });
    letGo.abort(new Error("enough"));
    expect(await watching).toEqual({ done: true, value: undefined });
  });
});

describe("what is refused is thrown at once, with the code and the words of the API", () => {
  test.each([
    [404, "not_found", "not_found"],
    [402, "budget", "budget"],
    [503, "redis_full", "redis_full"],
    [429, "rate_limited", "rate_limited"],
    [401, "unauthorized", "unauthorized"],
    [409, "a_code_of_tomorrow", "internal"],
    [500, "internal", "internal"],
  ])("%s %s", async (status, code, told) => {
    await using server = await openServer((_asked, response) => problem(response, status, code));
    const remote = await server.connect();
    await expect(remote.submit(SPEC)).rejects.toMatchObject({ code: told, message: `it is ${code}` });
    expect(server.asked).toHaveLength(1);
  });

  test("with what it tells beside them", async () => {
    const error = { code: "invalid_spec", message: "no", field: "model.0", details: { at: 3, list: [1] } };
    await using server = await openServer((_asked, response) => json(response, 400, { error }));
    await expect((await server.connect()).submit(SPEC)).rejects.toMatchObject({
      fields: { field: "model.0", at: 3 },
    });
  });
});

describe("what is no answer of Baton's is told as such", () => {
  test.each<[what: string, status: number, body: string]>([
    ["a page", 200, "<html>"],
    ["something else", 200, '{"id": 3}'],
    ["an error of somebody else", 418, "teapot"],
    ["a path that somebody else does not have", 404, "<html>nginx"],
  ])("%s", async (_what, status, body) => {
    await using server = await openServer((_asked, response) => void response.writeHead(status).end(body));
    await expect((await server.connect()).get(RUN_ID)).rejects.toMatchObject({ code: "server_protocol" });
    expect(server.asked).toHaveLength(1);
  });

  test("a way elsewhere, to which no key is carried", async () => {
    await using server = await openServer(
      (_asked, response) => void response.writeHead(307, { location: "http://127.0.0.1:1/" }).end(),
    );
    const remote = await server.connect({ apiKey: "bk_secret" });
    await expect(remote.get(RUN_ID)).rejects.toMatchObject({ code: "server_protocol" });
  });
});

describe("an answer that is read as it comes", () => {
  const page = (response: ServerResponse) =>
    void response.writeHead(200, { "content-type": "text/html" }).end("<html>please log in</html>");

  test.each<[what: string, read: (remote: RemoteProducer) => Promise<unknown>]>([
    ["events", (remote) => remote.watch(RUN_ID, {}, never).next()],
    ["results", (remote) => remote.batchResults("b", { order: "input" }, never).next()],
    ["an act on a batch", (remote) => remote.cancelBatch("b", never).next()],
    [
      "a batch's file",
      (remote) => remote.uploadBatch({ read: noBytes, mediaType: "application/x-ndjson", query: {} }, never),
    ],
  ])(
    "and is a page of somebody else is told at once, and taken for no end of it: %s",
    async (_what, read) => {
      await using server = await openServer((_asked, response) => page(response));
      const reading = read(await server.connect());
      await expect(reading).rejects.toMatchObject({
        code: "server_protocol",
        message: expect.stringContaining("it is text/html, not "),
      });
      expect(server.asked).toHaveLength(1);
    },
  );
});

async function* noBytes(): AsyncGenerator<Uint8Array, void, void> {}

test("a call that an older server does not have is told as such, and not as a run that is not there", async () => {
  await using server = await openServer(({ method, url }, response) => {
    const [path = ""] = url.split("?");
    const message = `there is no ${method} ${path}: GET /openapi.json lists what there is`;
    json(response, 404, { error: { code: "not_found", message } });
  });
  const remote = await server.connect();
  await expect(remote.page({ limit: 1 })).rejects.toMatchObject({
    code: "server_protocol",
    message: expect.stringContaining("it has no GET /v1/runs. Is it Baton's API, of this version?"),
  });
});

describe("a server", () => {
  test.each<[path: string, way: string]>([
    ["/v1/", "; give the address without /v1: http://127.0.0.1:"],
    ["/elsewhere", ". Is it Baton's API"],
  ])("at another path is told so: %s", async (path, way) => {
    await using server = await openServer((_asked, response) => problem(response, 404, "not_found"));
    const failed = await server.connect({ server: `${server.url}${path}` }).catch(String);
    expect(failed).toContain(
      `${path.replace(/\/$/, "")}/healthz answers with the status 404 and not with ok${way}`,
    );
  });

  test("that speaks no TLS is told so", async () => {
    await using server = await openServer(() => undefined);
    await expect(server.connect({ server: server.url.replace("http:", "https:") })).rejects.toMatchObject({
      code: "server_unreachable",
      message: expect.stringContaining("is it http:// and not https://?"),
    });
  });

  test("that leads elsewhere is told with where to, without what else stands there", async () => {
    await using server = await openServer(
      (_asked, response) =>
        void response.writeHead(308, { location: "https://u:s3cret@b.example/x?t=1" }).end(),
    );
    const failed = await (await server.connect()).get(RUN_ID).catch(String);
    expect(failed).toContain("it leads elsewhere (308, to https://b.example); give the address");
    expect(failed).not.toContain("s3cret");
  });

  test("that takes the connection and says nothing is told within the time for a greeting", async () => {
    const held: Socket[] = [];
    const silent = createServer((socket) => held.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    try {
      // A server that listens on a port has an address of this kind.
      const { port } = silent.address() as AddressInfo;
      await using server = await openServer(() => undefined);
      const connecting = server.connect({ server: `http://127.0.0.1:${port}`, greetingMsMax: 100 });
      await expect(connecting).rejects.toMatchObject({
        code: "server_unreachable",
        message: expect.stringContaining("(it does not answer in time)"),
      });
    } finally {
      for (const socket of held) socket.destroy();
      await new Promise((resolve) => silent.close(resolve));
    }
  });

  test("that is not there is told at once", async () => {
    const server = await openServer(() => undefined);
    await server[Symbol.asyncDispose]();
    await expect(server.connect()).rejects.toMatchObject({
      code: "server_unreachable",
      message: expect.stringMatching(/no Baton API answers at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\)/),
    });
  });

  test("that answers, and is none of Baton's, is told at once", async () => {
    await using server = await openServer((_asked, response) => void response.writeHead(404).end());
    const elsewhere = server.connect({ server: `${server.url}/elsewhere/` });
    await expect(elsewhere).rejects.toMatchObject({ code: "server_protocol" });
    expect(server.asked[0]?.url).toBe("/elsewhere/healthz");
  });

  test("has an address, and a key has its form; neither is said back", async () => {
    await using server = await openServer(() => undefined);
    for (const wrong of ["nowhere", "ftp://x", "http://user:s3cret@127.0.0.1/"]) {
      const failed = await server.connect({ server: wrong }).catch((error: unknown) => error);
      expect(failed).toMatchObject({ code: "invalid_config" });
      expect(String(failed)).not.toContain("s3cret");
    }
    const failed = await server.connect({ apiKey: "bk_s3cret\n" }).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "invalid_config" });
    expect(String(failed)).not.toContain("s3cret");
  });
});

describe("an act whose answer is lost", () => {
  const lost = (status: number, code: string, view: object) =>
    openServer(({ method }, response, place) => {
      if (place === 0) return drop(response);
      if (method === "GET") return json(response, 200, runView(view));
      problem(response, status, code);
    });

  test("is done when it cannot be done again and the run is as it leaves it", async () => {
    await using server = await lost(409, "not_possible", { status: "cancelled" });
    await (await server.connect()).cancel(RUN_ID);
    expect(server.asked.map(({ method }) => method)).toEqual(["POST", "POST", "GET"]);
  });

  test("is refused when the run is otherwise, and when it was never sent before", async () => {
    await using server = await lost(409, "not_possible", { status: "succeeded" });
    await expect((await server.connect()).cancel(RUN_ID)).rejects.toMatchObject({ code: "not_possible" });
    await using other = await openServer((_asked, response) => problem(response, 409, "not_possible"));
    await expect((await other.connect()).cancel(RUN_ID)).rejects.toMatchObject({ code: "not_possible" });
    expect(other.asked).toHaveLength(1);
  });

  test("is told of each run of a batch once", async () => {
    const line = (value: object) => `${JSON.stringify(value)}\n`;
    const other = RUN_ID.replace(/1$/, "2");
    const error = { code: "not_possible", message: "it is queued" };
    await using server = await openServer((_asked, response, place) => {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      if (place > 0) {
        response.write(line({ type: "refused", run: RUN_ID, error }));
        response.write(line({ type: "changed", run: other }));
        return void response.end(line({ type: "done", retried: 1, refused: 1 }));
      }
      response.write(line({ type: "progress", retried: 0 }));
      response.write(line({ type: "changed", run: RUN_ID }), () => drop(response));
    });
    const done = [];
    for await (const one of (await server.connect()).retryBatch("b", {}, never)) done.push(one);
    expect(done).toEqual([{ id: RUN_ID }, { id: other }]);
  });
});
