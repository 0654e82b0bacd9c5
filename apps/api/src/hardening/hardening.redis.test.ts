/** What an API says and takes on the wire. */
import { Writable } from "node:stream";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { until } from "../../../../test/support/until.ts";
import { type ApiRig, openApiRig } from "../testing/api-rig.ts";
import { openRaw, sendRaw } from "../testing/raw-request.ts";

const redis = useRedis();
const lines: string[] = [];
const log = pino(
  { level: "trace" },
  new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  }),
);
const PAGE = "https://app.example.com";
let api: ApiRig;
beforeAll(async () => {
  api = await openApiRig(redis.url, {
    config: { api: { cors: [PAGE], bodyBytesMax: 10_000 } },
    api: { log, serverBounds: { headersMsMax: 400, requestMsMax: 800, lookEveryMs: 50 } },
  });
});
afterAll(() => api[Symbol.asyncDispose]());

const spec = { input: "hi", model: "openai/gpt-5.2" };
const raw = (...head: string[]) => sendRaw(api.url, `${head.join("\r\n")}\r\n\r\n`);
/** The status and the problem's code of an answer as it came. */
function told(answer: string): { status: number; code: unknown } {
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  return { status: Number(head.split(" ")[1]), code: JSON.parse(body).error.code };
}

describe("headers of an answer", () => {
  test("keep it from being kept, shown, framed or guessed at, a refusal's too", async () => {
    for (const path of ["/v1/runs", "/v1/nothing", "/healthz", "/v1/runs/none"]) {
      const { headers } = await api.call("GET", path);
      expect(Object.fromEntries(headers)).toMatchObject({
        "cache-control": "no-store",
        "content-security-policy": expect.stringContaining("default-src 'none'"),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "x-request-id": expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
      expect(headers.get("server")).toBeNull();
      expect(headers.get("x-powered-by")).toBeNull();
    }
  });

  test("let pages of configured origins read it, and no others", async () => {
    const ask = (origin: string) => api.call("GET", "/v1/runs", undefined, { origin });
    const own = await ask(PAGE);
    expect(own.status).toBe(200);
    expect(own.headers.get("access-control-allow-origin")).toBe(PAGE);
    expect(own.headers.get("access-control-allow-credentials")).toBeNull();
    const other = await ask("https://evil.example");
    expect(other.status).toBe(403);
    expect(other.headers.get("access-control-allow-origin")).toBeNull();
    const preflight = await fetch(`${api.url}/v1/runs`, {
      method: "OPTIONS",
      headers: {
        origin: PAGE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toContain("authorization");
  });

  test("without configured origins say nothing of origins", async () => {
    await using closed = await openApiRig(redis.url);
    const { status, headers } = await closed.call("GET", "/v1/runs", undefined, { origin: PAGE });
    expect(status).toBe(403);
    expect([...headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
    const preflight = await fetch(`${closed.url}/v1/runs`, {
      method: "OPTIONS",
      headers: { origin: PAGE, "access-control-request-method": "POST" },
    });
    expect(preflight.ok).toBe(false);
  });
});

test("a page that was made to lead here gets nothing", async () => {
  const answer = await raw("GET /v1/runs HTTP/1.1", "host: evil.example", "connection: close");
  expect(told(answer)).toEqual({ status: 403, code: "forbidden" });
  const own = await raw("GET /v1/runs HTTP/1.1", `host: ${new URL(api.url).host}`, "connection: close");
  expect(own).toMatch(/^HTTP\/1.1 200 /);
});

describe("a body", () => {
  const post = async (body: string, type = "application/json") => {
    const answer = await fetch(`${api.url}/v1/runs`, {
      method: "POST",
      headers: { "content-type": type },
      body,
    });
    return { status: answer.status, text: await answer.text() };
  };
  const codeOf = ({ text }: { text: string }): unknown => JSON.parse(text).error.code;

  test("that is too large is refused", async () => {
    const refused = await post(JSON.stringify({ ...spec, input: "x".repeat(10_000) }));
    expect([refused.status, codeOf(refused)]).toEqual([413, "too_large"]);
  });

  test("that is nested too deeply is refused before anything walks over it", async () => {
    const refused = await post(`{"input":${"[".repeat(4_000)}`);
    expect([refused.status, codeOf(refused)]).toEqual([400, "bad_request"]);
    expect(refused.text).toContain("64 levels");
  });

  test.each([
    ["a prototype", '{"__proto__": {"model": "openai/gpt-5.2"}, "input": "hi"}'],
    ["an escaped prototype", '{"\\u005f_proto__": {"model": "openai/gpt-5.2"}, "input": "hi"}'],
    ["a constructor's prototype", '{"constructor": {"prototype": {"x": 1}}, "input": "hi"}'],
    ["half of JSON", '{"input": "canary-secret'],
    ["bytes that are no text", "\u0000\u0001"],
  ])("with %s is refused, and nothing of it is said back", async (_what, body) => {
    const refused = await post(body);
    expect([refused.status, codeOf(refused)]).toEqual([400, "bad_request"]);
    expect(refused.text).not.toContain("canary");
    expect(Object.prototype).not.toHaveProperty("model");
  });

  test("that has a name twice counts by the last one", async () => {
    const body = `{"input": "a", "model": "openai/gpt-5.2", "metadata": {"k": "1"}, "metadata": {"k": "2"}}`;
    const { status, text } = await post(body);
    expect(status).toBe(202);
    const { id } = JSON.parse(text);
    expect((await api.call("GET", `/v1/runs/${id}`)).body.spec.metadata).toEqual({ k: "2" });
  });

  test("of another type is refused", async () => {
    for (const type of ["text/xml", "application/x-www-form-urlencoded", "multipart/form-data"]) {
      const refused = await post("a=b", type);
      expect([refused.status, codeOf(refused)]).toEqual([415, "unsupported_media_type"]);
    }
  });
});

describe("what is broken", () => {
  test("is answered in the API's words, and the log has nothing of it", async () => {
    const own = `host: ${new URL(api.url).host}`;
    const answers = await Promise.all([
      raw("GET /v1/runs HTTP/1.1", own, `x-long: ${"canary".repeat(5_000)}`),
      raw(`GET /v1/runs?x=${"canary".repeat(5_000)} HTTP/1.1`, own),
      sendRaw(api.url, "canary\r\n\r\n"),
      raw("GET /v1/runs HTTP/1.1", own, "transfer-encoding: chunked", "content-length: 5", "x: canary"),
      raw("GET /v1/runs/%zzcanary HTTP/1.1", own, "connection: close"),
      raw(`GET /v1/runs/${"canary".repeat(500)} HTTP/1.1`, own, "connection: close"),
      raw("GET /v1/runs HTTP/1.1", "x: canary", "connection: close"),
    ]);
    expect(answers.map(told)).toEqual([
      { status: 431, code: "too_large" },
      { status: 431, code: "too_large" },
      { status: 400, code: "bad_request" },
      { status: 400, code: "bad_request" },
      { status: 400, code: "bad_request" },
      { status: 414, code: "too_large" },
      { status: 400, code: "bad_request" },
    ]);
    for (const answer of answers) expect(answer).not.toContain("canary");
    expect(lines.join("")).not.toContain("canary");
    expect(lines.join("")).not.toContain(JSON.stringify([...Buffer.from("canary")]).slice(1, -1));
  });

  test("headers and bodies that come too slowly are cut off", async () => {
    const own = `host: ${new URL(api.url).host}`;
    for (const begun of [
      `GET /v1/runs HTTP/1.1\r\n${own}\r\nx-slow: `,
      `POST /v1/runs HTTP/1.1\r\n${own}\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{`,
    ]) {
      using slow = await openRaw(api.url);
      slow.socket.write(begun);
      // A byte now and then does not help.
      const drip = setInterval(() => slow.socket.write("a"), 100);
      const answer = await slow.ended.finally(() => clearInterval(drip));
      expect(told(answer)).toEqual({ status: 408, code: "too_slow" });
    }
  });
});

test("of each request the log has one line, with its route and none of its headers, query and body", async () => {
  lines.length = 0;
  await api.call(
    "POST",
    "/v1/runs?wait=0.001&secret=canary",
    { ...spec, input: "canary" },
    { "x-other": "canary" },
  );
  await api.call("GET", "/v1/canary");
  await until(() => lines.filter((line) => line.includes('"request"')).length === 2, { what: "two lines" });
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { method: "POST", route: "/v1/runs", status: 400, ms: expect.any(Number), reqId: expect.any(String) },
    { method: "GET", route: "none", status: 404 },
  ]);
  expect(lines.join("")).not.toContain("canary");
});

describe("URLs of files", () => {
  const withImage = (url: string) => ({
    ...spec,
    input: [{ type: "image_url", image_url: { url } }],
  });

  test("that lead inside are refused, and nothing is submitted", async () => {
    for (const url of ["https://127.0.0.1/a.png", "http://example.com/a.png", "https://redis/a.png"]) {
      const refused = await api.call("POST", "/v1/runs", withImage(url));
      expect(refused).toMatchObject({ status: 400, body: { error: { code: "invalid_spec" } } });
    }
    expect((await api.call("POST", "/v1/runs", withImage("data:image/png;base64,AAAA"))).status).toBe(202);
  });

  test("pass where the configuration allows private addresses", async () => {
    await using open = await openApiRig(redis.url, { config: { allowPrivateAddresses: true } });
    expect((await open.call("POST", "/v1/runs", withImage("https://127.0.0.1/a.png"))).status).toBe(202);
  });
});

test("connections beyond the most that there may be are not served", async () => {
  await using small = await openApiRig(redis.url, { config: { api: { connectionsMax: 2 } } });
  const held = [await openRaw(small.url), await openRaw(small.url)];
  onTestFinished(() => {
    for (const one of held) one.socket.destroy();
  });
  expect(await sendRaw(small.url, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")).toBe("");
  for (const one of held) one.socket.destroy();
  await until(() => small.call("GET", "/healthz").then(({ status }) => status === 200), {
    what: "an answer",
  });
});
