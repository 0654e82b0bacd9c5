/** Requests that Node or Fastify would refuse in words of their own, or log as a fault of ours. */
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { until } from "../../../../test/support/until.ts";
import { type ApiRig, openApiRig } from "../testing/api-rig.ts";
import { openRaw, sendRaw } from "../testing/raw-request.ts";

const redis = useRedis();
const lines: string[] = [];
let api: ApiRig;
beforeAll(async () => {
  const log = pino({ level: "warn" }, { write: (line: string) => void lines.push(line) });
  api = await openApiRig(redis.url, { api: { log } });
});
afterAll(async () => api[Symbol.asyncDispose]());

const HEAD = "host: 127.0.0.1\r\nconnection: close\r\n";

test.each([
  ["expects what nobody knows", `POST /v1/runs HTTP/1.1\r\n${HEAD}expect: 200-ok\r\n\r\n`, 417],
  ["has a method that says no type", `QUERY /v1/runs HTTP/1.1\r\n${HEAD}\r\n`, 400],
])("one that %s is refused with a code", async (_name, text, status) => {
  const answer = await sendRaw(api.url, text);
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n")))).toMatchObject({
    error: { code: "bad_request", message: expect.stringMatching(/.{10}/) },
  });
});

test("one whose body breaks off is no fault of the API", async () => {
  const open = async () =>
    /^baton_api_requests_open (\d+)$/m.exec((await api.call("GET", "/metrics")).text)?.[1];
  const raw = await openRaw(api.url);
  raw.socket.write(
    `POST /v1/runs HTTP/1.1\r\n${HEAD}content-type: application/json\r\ncontent-length: 9\r\n\r\n{`,
  );
  await until(async () => (await open()) === "2", { what: "the request to begin" });
  raw.socket.resetAndDestroy();
  await until(async () => (await open()) === "1", { what: "the request to be over" });
  expect(lines).toEqual([]);
});
