import { randomBytes } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { apiKeyIdOf, openApiKeys } from "@baton/store";
import type { FastifyInstance, RouteOptions } from "fastify";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { newApiKey } from "../../../../packages/store/src/api-key-text.ts";
import { useRedis } from "../../../../test/support/redis.ts";
import { until } from "../../../../test/support/until.ts";
import { systemIds } from "../../../../test/support/worker-rig.ts";
import { makeKey, makeKnownKey, type TestKey } from "../testing/api-keys.ts";
import { type ApiRig, openApiRig } from "../testing/api-rig.ts";

const redis = useRedis();
let api: ApiRig;
beforeEach(async () => {
  api = await openApiRig(redis.url);
});
afterEach(() => api[Symbol.asyncDispose]());

const spec = { input: "hi", model: "openai/gpt-5.2" };
const keys = () => openApiKeys(redis.connect(), systemIds);
const statusWith = async (key: TestKey | undefined, path = "/v1/runs"): Promise<number> =>
  (await api.call("GET", path, undefined, key?.headers)).status;

const key = (grant: Parameters<typeof makeKnownKey>[1] = {}): Promise<TestKey> => makeKnownKey(api, grant);

describe("who may come in", () => {
  test("without any key anybody on this machine may, and as soon as one is made only who has it", async () => {
    expect(await statusWith(undefined)).toBe(200);
    const made = await key();
    const refused = await api.call("GET", "/v1/runs");
    expect(refused).toMatchObject({ status: 401, body: { error: { code: "unauthorized" } } });
    expect(refused.body.error.message).toContain("baton keys create");
    expect(refused.headers.get("www-authenticate")).toBe('Bearer realm="baton"');
    expect(await statusWith(made)).toBe(200);
    for (const path of ["/healthz", "/readyz", "/openapi.json"])
      expect(await statusWith(undefined, path)).toBe(200);
  });

  test("x-api-key shows a key, too; Authorization says who asks where both are sent", async () => {
    const { text, headers } = await key();
    const call = (sent: Record<string, string>) => api.call("GET", "/v1/runs", undefined, sent);
    expect((await call({ "x-api-key": text })).status).toBe(200);
    expect((await call({ authorization: `bearer ${text}` })).status).toBe(200);
    expect((await call({ ...headers, "x-api-key": "other" })).status).toBe(200);
    expect((await call({ authorization: "Bearer other", "x-api-key": text })).status).toBe(401);
    expect((await call({ authorization: `Basic ${btoa(`:${text}`)}` })).status).toBe(401);
  });

  test("a wrong secret, another's checksum and an unknown id are refused, and nothing of them is said back", async () => {
    const { text, id } = await key();
    const other = await makeKey(redis.connect());
    const crossed = `bk_${id}_${other.text.split("_")[2]}`;
    await keys().revoke(other.id);
    await until(async () => (await statusWith(other)) === 401, { what: "the other key to be gone" });
    // Whole and well-formed, with a known id and another secret.
    const own = Uint8Array.from(id, (letter) => Number.parseInt(letter, 36));
    const forged = newApiKey({ random: (size) => (size === own.length ? own : randomBytes(size)) });
    expect([forged.id, apiKeyIdOf(forged.text)]).toEqual([id, id]);
    for (const wrong of [forged.text, crossed, `${text.slice(0, -1)}#`, other.text, "sk-live-1234567890"]) {
      const {
        status,
        text: said,
        headers,
      } = await api.call("GET", "/v1/runs", undefined, {
        authorization: `Bearer ${wrong}`,
      });
      expect(status).toBe(401);
      expect(said).not.toContain(wrong);
      expect(headers.get("www-authenticate")).toContain("invalid_token");
    }
  });

  test("a key that is revoked is refused within seconds, and the API stays closed when it was the last", async () => {
    const made = await key();
    await keys().revoke(made.id);
    await until(async () => (await statusWith(made)) === 401, { what: "the refusal", withinMs: 4_000 });
    expect(await statusWith(undefined)).toBe(401);
    await keys().revokeAll();
    await until(async () => (await statusWith(undefined)) === 200, {
      what: "an API that forgot",
      withinMs: 4_000,
    });
  });

  test("a key is refused from its end on", async () => {
    const made = await key({ expiresAt: Date.now() + 1_500 });
    const { text } = await until(
      async () => {
        const answer = await api.call("GET", "/v1/runs", undefined, made.headers);
        return answer.status === 401 && answer;
      },
      { what: "the end of the key" },
    );
    expect(text).toContain("has expired");
  });

  test("many wrong keys from one address are held up, and a right one from there is not", async () => {
    const made = await key();
    const wrong = { authorization: "Bearer bk_wrong" };
    const statuses: number[] = [];
    for (let count = 0; count < 40; count += 1) {
      statuses.push((await api.call("GET", "/v1/runs", undefined, wrong)).status);
    }
    expect(statuses[0]).toBe(401);
    const held = await api.call("GET", "/v1/runs", undefined, wrong);
    expect(held).toMatchObject({ status: 429, body: { error: { code: "rate_limited" } } });
    expect(Number(held.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await statusWith(made)).toBe(200);
  });
});

describe("what a key may do", () => {
  test("is what its scopes say", async () => {
    const reader = await key({ scopes: ["read"] });
    const refused = await api.call("POST", "/v1/runs", spec, reader.headers);
    expect(refused).toMatchObject({ status: 403, body: { error: { code: "forbidden" } } });
    expect(refused.headers.get("www-authenticate")).toContain('scope="submit"');
    const submitter = await key({ scopes: ["submit"] });
    expect((await api.call("POST", "/v1/runs", spec, submitter.headers)).status).toBe(202);
    expect((await api.call("GET", "/v1/runs", undefined, submitter.headers)).status).toBe(403);
  });

  test("ends at its namespace: another's run is not there", async () => {
    const [one, other] = [await key(), await key()];
    const [team, mate] = [await key({ namespace: "team" }), await key({ namespace: "team" })];
    const all = await key({ namespace: "all" });
    const submit = async (by: TestKey): Promise<string> =>
      (await api.call("POST", "/v1/runs?wait=20", spec, by.headers)).body.id;
    const [own, shared] = [await submit(one), await submit(team)];
    const look = (id: string, by: TestKey) => statusWith(by, `/v1/runs/${id}`);
    expect(await Promise.all([one, other, team, all].map((by) => look(own, by)))).toEqual([
      200, 404, 404, 200,
    ]);
    expect(await Promise.all([team, mate, one].map((by) => look(shared, by)))).toEqual([200, 200, 404]);
    const listed = async (by: TestKey): Promise<string[]> =>
      (await api.call("GET", "/v1/runs?status=succeeded", undefined, by.headers)).body.data.map(
        ({ id }: { id: string }) => id,
      );
    expect(await listed(one)).toEqual([own]);
    expect(await listed(other)).toEqual([]);
    expect((await listed(all)).toSorted()).toEqual([own, shared].toSorted());
    for (const act of ["cancel", "pause", "resume", "retry", "fork"]) {
      const { status } = await api.call("POST", `/v1/runs/${own}/${act}`, {}, other.headers);
      expect(status, act).toBe(404);
    }
  });

  test("the same idempotency key of two namespaces is two runs", async () => {
    const [one, other] = [await key(), await key()];
    const submit = (by: TestKey, input: string) =>
      api.call("POST", "/v1/runs", { ...spec, input }, { ...by.headers, "idempotency-key": "same" });
    const [first, second] = [await submit(one, "a"), await submit(other, "b")];
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(first.body.id).not.toBe(second.body.id);
  });
});

/** A path of the route; its run, batch and model are not there. */
function pathOf(url: string): string {
  return url.replace(":model", "openai%2Fgpt-5.2").replace(/:\w+|\*/g, "r_0_00000000000000000000000000");
}

test("every route demands a scope, but for the probes and the document", async () => {
  const routes: RouteOptions[] = [];
  // Told by Fastify when an app is made, before it has any route.
  const onApp = (message: unknown): void => {
    const { fastify } = message as { fastify: FastifyInstance };
    fastify.addHook("onRoute", (route) => {
      routes.push(route);
    });
  };
  subscribe("fastify.initialization", onApp);
  onTestFinished(() => {
    unsubscribe("fastify.initialization", onApp);
  });
  await api.restart();
  const single = [
    await key({ scopes: ["read"] }),
    await key({ scopes: ["submit"] }),
    await key({ scopes: ["operate"] }),
  ];
  const calls = routes.flatMap(({ url, method }) =>
    [method].flat().map((one) => ({ method: one, path: pathOf(url) })),
  );
  expect(calls.length).toBeGreaterThan(10);
  const open = new Set<string>();
  for (const { method, path } of calls) {
    const ask = async (headers: Readonly<Record<string, string>>): Promise<number> => {
      const answer = await fetch(`${api.url}${path}`, {
        method,
        headers,
        signal: AbortSignal.timeout(10_000),
      });
      await answer.body?.cancel();
      return answer.status;
    };
    const status = await ask({});
    // Wrong keys from one address are held up.
    if (status !== 401 && status !== 429) open.add(path);
    else {
      const refused = await Promise.all(single.map(({ headers }) => ask(headers)));
      expect(refused.filter((one) => one === 403).length, `${method} ${path} ${refused}`).toBe(2);
    }
  }
  expect([...open].toSorted()).toEqual(["/healthz", "/openapi.json", "/readyz"]);
});

test("a path that is not there tells a caller without a key nothing", async () => {
  expect(await statusWith(undefined, "/v1/nothing")).toBe(404);
  const made = await key();
  expect(await statusWith(undefined, "/v1/nothing")).toBe(401);
  expect(await statusWith(made, "/v1/nothing")).toBe(404);
});

describe("a key's requests a minute", () => {
  test("are bounded for all API processes together, and the answer says how it stands", async () => {
    await using second = await openApiRig(redis.url);
    const made = await key();
    await until(async () => (await second.call("GET", "/v1/runs")).status === 401, {
      what: "the second to know",
    });
    expect(await statusWith(made)).toBe(200);
    const bounded = await makeKey(redis.connect(), { rpm: 4 });
    const ask = (rig: ApiRig) => rig.call("GET", "/v1/runs", undefined, bounded.headers);
    const answers: Awaited<ReturnType<typeof ask>>[] = [];
    await until(
      async () => {
        const answer = await ask(answers.length % 2 === 0 ? api : second);
        if (answer.status !== 401) answers.push(answer);
        return answers.length === 6;
      },
      { what: "six answers" },
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 429, 429]);
    expect(answers.map(({ headers }) => headers.get("ratelimit-remaining"))).toEqual([
      "3",
      "2",
      "1",
      "0",
      "0",
      "0",
    ]);
    expect(answers[5]?.headers.get("ratelimit-limit")).toBe("4");
    const retryAfter = Number(answers[5]?.headers.get("retry-after"));
    expect(retryAfter).toBeGreaterThan(0);
    expect(retryAfter).toBeLessThanOrEqual(15);
    expect(answers[5]?.body.error.code).toBe("rate_limited");
  });
});
