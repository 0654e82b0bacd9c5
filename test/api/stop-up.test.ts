/** `baton up` that is told to stop: its API stops with its workers, and not behind them. */
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { callApi } from "../../apps/api/src/testing/api-rig.ts";
import { type CliRig, openCli } from "../support/cli.ts";
import type { ScriptProcess } from "../support/processes.ts";
import { useRedis } from "../support/redis.ts";
import { openSse } from "../support/sse-client.ts";
import { until } from "../support/until.ts";

const redis = useRedis();
let cli: CliRig;
let up: ScriptProcess;
let url: string;
beforeEach(async () => {
  cli = await openCli(redis.url, true);
  up = await cli.start(["up", "--json", "--port", "0", "--drain", "20"]);
  const [line] = await up.line(/^\{.*"ready":true.*\}$/, 30_000);
  const ready: { url: string } = JSON.parse(line);
  ({ url } = ready);
});
afterEach(async () => {
  await up[Symbol.asyncDispose]();
  await cli[Symbol.asyncDispose]();
});

const spec = { input: "Write a report on the harbour.", model: "openai/gpt-5.2" };

test("those who wait are answered before the workers are done, and the process ends in order", async () => {
  const waiting = callApi(url, "POST", "/v1/runs?wait=60", spec);
  const { id } = await until(async () => (await callApi(url, "GET", "/v1/runs")).body.data[0], {
    what: "the run",
  });
  const reader = await openSse(`${url}/v1/runs/${id}/events?after=0-0`);
  await until(() => reader.frames.some(({ event }) => event === "text"), { what: "the first words" });
  up.signal("SIGTERM");
  expect(await reader.ended).toBe(true);
  expect(reader.comments.at(-1)).toContain("come again");
  expect(await waiting).toMatchObject({ status: 202, body: { id, status: "running" } });
  expect(await up.end(25_000)).toEqual({ code: 0, signal: null });
}, 60_000);

test("a second signal cuts what does not end by itself, and the process ends in order", async () => {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  socket.write("POST /v1/runs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n");
  socket.write('content-length: 1000\r\n\r\n{"input"');
  await fetch(`${url}/healthz`);
  up.signal("SIGTERM");
  await until(
    () =>
      fetch(`${url}/healthz`).then(
        () => false,
        () => true,
      ),
    { what: "the refusal of connections" },
  );
  const since = performance.now();
  up.signal("SIGTERM");
  expect(await up.end(10_000)).toEqual({ code: 0, signal: null });
  expect(performance.now() - since).toBeLessThan(5_000);
}, 60_000);
