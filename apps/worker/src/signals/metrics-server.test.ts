import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { metricsHandler } from "./metrics-handler.ts";
import { startMetricsServer } from "./metrics-server.ts";

const LOOPBACK = { host: "127.0.0.1", port: 0 };

test("what goes wrong in a scrape is a 500 that quotes nothing of it", async () => {
  const metrics = {
    contentType: "text/plain",
    text: async () => Promise.reject(new Error("redis://user:s3cret@host is away")),
  };
  const handler = metricsHandler({ metrics, unready: async () => undefined });
  await using server = await startMetricsServer(handler, LOOPBACK);
  const response = await fetch(`${server.url}/metrics`);
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain("s3cret");
});

test("readyz tells why it is not ready, and healthz does not care", async () => {
  const metrics = { contentType: "text/plain", text: async () => "" };
  const handler = metricsHandler({ metrics, unready: async () => "draining" });
  await using server = await startMetricsServer(handler, LOOPBACK);
  const ready = await fetch(`${server.url}/readyz?verbose`);
  expect([ready.status, await ready.text()]).toEqual([503, "draining\n"]);
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
});

test("it closes at once while a connection is open and a scrape is under way", async () => {
  const { promise: never } = Promise.withResolvers<string>();
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const metrics = {
    contentType: "text/plain",
    text: () => {
      ask();
      return never;
    },
  };
  const server = await startMetricsServer(
    metricsHandler({ metrics, unready: async () => undefined }),
    LOOPBACK,
  );
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  // It is cut off, which may be told as an error.
  socket.on("error", () => undefined);
  const closed = once(socket, "close");
  await once(socket, "connect");
  socket.write("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
  await asked;
  await server[Symbol.asyncDispose]();
  await closed;
});
