/** A reader of events that leaves before its stream is there. */
import { connect } from "node:net";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { until } from "../../../../test/support/until.ts";
import { replaceMethods } from "../access/replace-methods.ts";
import { startApi } from "../start-api.ts";
import { type ApiRig, callApi, openApiRig } from "../testing/api-rig.ts";

const redis = useRedis();
let api: ApiRig;
beforeAll(async () => {
  api = await openApiRig(redis.url);
});
afterAll(async () => api[Symbol.asyncDispose]());

test("nobody follows a run that is over for a reader who left before its first event", async () => {
  const { body: run } = await api.call("POST", "/v1/runs?wait=20", { input: "hi", model: "openai/gpt-5.2" });
  expect(run.status).toBe("succeeded");
  const asked = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const service = replaceMethods(api.producer, {
    async get(id) {
      asked.resolve();
      await goOn.promise;
      return api.producer.get(id);
    },
  });
  const other = await startApi({
    ...{ store: api.store, service, config: api.rig.config, log: pino({ level: "silent" }) },
    ...{ version: "test", now: () => Date.now(), host: "127.0.0.1", port: 0 },
  });
  const open = async () =>
    /^baton_api_requests_open (\d+)$/m.exec((await callApi(other.url, "GET", "/metrics")).text)?.[1];
  try {
    const idle = api.store.hub.waiters;
    const { hostname, port } = new URL(other.url);
    const socket = connect(Number(port), hostname);
    socket.write(`GET /v1/runs/${run.id}/events?after=0-0 HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`);
    await asked.promise;
    socket.destroy();
    await until(async () => (await open()) === "1", { what: "the API to see that the reader is gone" });
    goOn.resolve();
    // What it would follow with is asked for by then: another one comes through the same gate.
    await callApi(other.url, "GET", `/v1/runs/${run.id}/events?after=0-0`);
    await until(() => api.store.hub.waiters === idle, { what: "nobody to follow the run", withinMs: 2_000 });
  } finally {
    await other.stop(1_000);
  }
});
