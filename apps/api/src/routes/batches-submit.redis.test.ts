/** Batches over HTTP: what comes in. */
import { once } from "node:events";
import { readdir, readlink } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { until } from "../../../../test/support/until.ts";
import { replaceMethods } from "../access/replace-methods.ts";
import type { ApiRig } from "../testing/api-rig.ts";
import { type BatchRig, line, linesOf, openBatchRig, postBatch } from "../testing/batch-rig.ts";

const redis = useRedis();
let batches: BatchRig;
let api: ApiRig;
beforeAll(async () => {
  batches = await openBatchRig(redis.url);
  api = batches.api;
});
afterAll(async () => batches[Symbol.asyncDispose]());

describe("a batch file", () => {
  test("becomes runs, whose results come out", async () => {
    const file = ["a", "b", "c"].map((id) => line(id)).join("");
    const { status, body } = await batches.upload("?weight=2&budget_tokens=5000", file);
    expect({ status, body }).toMatchObject({
      status: 202,
      body: {
        ...{ id: expect.stringMatching(/^b_[0-9a-f]{20}$/), lines: 3, total: 3, weight: 2 },
        budget: { tokens: 5_000 },
        submission: { created: 3, known: 0, conflicts: 0, invalid: 0 },
      },
    });
    await batches.ended(body.id);
    expect((await batches.results(body.id)).map((one) => [one.custom_id, one.final_output])).toEqual([
      ["a", "done: a"],
      ["b", "done: b"],
      ["c", "done: c"],
    ]);
    expect(await readdir(batches.folder)).toEqual([]);
  });

  test("sent twice gives no run twice, and a line that says something else is told", async () => {
    const file = line("one") + line("two");
    const first = await batches.upload("", file);
    const again = await batches.upload("", file);
    expect(again.body).toMatchObject({ id: first.body.id, total: 2, submission: { created: 0, known: 2 } });
    const other = line("one", { max_turns: 3 }) + line("three");
    const mixed = await batches.upload(`?id=${first.body.id}`, other);
    expect(mixed).toMatchObject({
      status: 202,
      body: {
        submission: { created: 1, known: 0, conflicts: 1, conflict_lines: [{ line: 1, custom_id: "one" }] },
      },
    });
  });

  test("with bad lines is refused whole, and each is told with its number and reason", async () => {
    const file = `${line("good")}not json\n${line("good")}${line("worse", { model: "nobody/x" })}${line("q", { max_turns: 0 })}`;
    const refused = await batches.upload("?id=bad", file);
    expect(refused.status).toBe(400);
    expect(refused.body.error).toMatchObject({ code: "invalid_spec", details: { runs: 1, invalid: 4 } });
    expect(refused.body.error.details.bad_lines).toMatchObject([
      { line: 2, reason: expect.stringContaining("not JSON") },
      { line: 3, custom_id: "good", reason: expect.stringContaining("line 1") },
      { line: 4, custom_id: "worse", reason: expect.stringContaining("no provider nobody") },
      { line: 5, custom_id: "q", reason: expect.stringContaining("body.max_turns") },
    ]);
    expect((await api.call("GET", "/v1/batches/bad")).status).toBe(404);
    const taken = await batches.upload("?id=bad&skip_invalid=true", file);
    expect(taken.body).toMatchObject({ total: 1, submission: { created: 1, invalid: 4 } });
    expect(taken.body.submission.bad_lines).toHaveLength(4);
  });

  test("of which a hundred bad lines are told and all are counted", async () => {
    const { body } = await batches.upload("", "x\n".repeat(250));
    expect(body.error.details.invalid).toBe(250);
    expect(body.error.details.bad_lines).toHaveLength(100);
  });

  test("is only checked when that is asked for", async () => {
    const { status, body } = await batches.upload(
      "?check=true&id=looked",
      line("a", { model: "anthropic/claude-opus-4-5" }),
    );
    expect({ status, body }).toEqual({
      status: 200,
      body: {
        id: "looked",
        runs: 1,
        invalid: 0,
        bad_lines: [],
        unserved_models: ["anthropic/claude-opus-4-5"],
      },
    });
    expect((await api.call("GET", "/v1/batches/looked")).status).toBe(404);
  });

  test("takes what holds for all lines from the query and from a header", async () => {
    const bare = `${JSON.stringify({ custom_id: "a", body: { input: "a" } })}\n`;
    const defaults = JSON.stringify({ settings: { effort: "low" }, max_turns: 4, instructions: "no" });
    const query = "?model=openai/gpt-5.2&model=openai/gpt-5-mini&instructions=Be+brief";
    const { body } = await batches.upload(query, bare, { "baton-defaults": defaults });
    await batches.ended(body.id);
    const { id } = (await batches.results(body.id))[0];
    expect((await api.producer.get(id)).spec).toMatchObject({
      model: ["openai/gpt-5.2", "openai/gpt-5-mini"],
      ...{ instructions: "Be brief", max_turns: 4, settings: { effort: "low" } },
    });
    const wrong = await batches.upload("", bare, { "baton-defaults": '{"modle": 1}' });
    expect(wrong).toMatchObject({ status: 400, body: { error: { code: "invalid_spec" } } });
    expect(wrong.body.error.message).toContain("modle");
  });

  test("may be CSV with a template, or OpenAI's lines", async () => {
    const csv = await batches.upload(
      "?template=Say+%7B%7Bword%7D%7D&model=openai/gpt-5.2",
      "word,custom_id\nhi,x\n",
      {
        "content-type": "text/csv",
      },
    );
    await batches.ended(csv.body.id);
    expect(await batches.results(csv.body.id)).toMatchObject([
      { custom_id: "x", final_output: "done: Say hi" },
    ]);
    const body = { model: "gpt-5.2", messages: [{ role: "user", content: "hello" }] };
    const openAi = { custom_id: "r", method: "POST", url: "/v1/chat/completions", body };
    const taken = await batches.upload("", JSON.stringify(openAi), { "content-type": "application/jsonl" });
    await batches.ended(taken.body.id);
    expect(await batches.results(taken.body.id)).toMatchObject([
      { custom_id: "r", final_output: "done: hello" },
    ]);
    const wrong = await batches.upload("?template=%7B%7Bnone%7D%7D", "word\nhi\n", {
      "content-type": "text/csv",
    });
    expect(wrong).toMatchObject({ status: 400, body: { error: { code: "invalid_spec" } } });
  });

  test.each([
    ["is empty", "", "\n\n", {}, 400, "invalid_spec"],
    [
      "has a type that no batch has",
      "",
      "{}",
      { "content-type": "application/json" },
      415,
      "unsupported_media_type",
    ],
    ["has an id that no batch has", "?id=a/b", line("a"), {}, 400, "invalid_spec"],
    ["is larger than the bound", "", line("a").padEnd(60_000, " "), {}, 413, "too_large"],
  ])("that %s is refused", async (_name, query, file, headers, status, code) => {
    expect(await batches.upload(query, file, headers)).toMatchObject({ status, body: { error: { code } } });
    expect(await readdir(batches.folder)).toEqual([]);
  });

  test("tells its progress and its end as lines to who accepts them", async () => {
    const { status, text: answer } = await batches.upload("?id=told", line("a"), {
      accept: "application/x-ndjson",
    });
    expect(status).toBe(200);
    const told = linesOf(answer);
    expect(told[0]).toMatchObject({ type: "progress", id: "told", of: 1 });
    expect(told.at(-1)).toMatchObject({ type: "done", id: "told", submission: { created: 1 } });
    const refused = await batches.upload("", "x", { accept: "application/x-ndjson" });
    expect(refused).toMatchObject({ status: 400, body: { error: { details: { invalid: 1 } } } });
  });
});

/** An upload whose bytes are sent one piece at a time. */
function openUpload(query: string, url = api.url, path = "/v1/batches") {
  const type = path === "/v1/batches" ? "application/x-ndjson" : "application/json";
  const sent = httpRequest(`${url}${path}${query}`, { method: "POST", headers: { "content-type": type } });
  const status = new Promise<number | undefined>((resolve, reject) => {
    sent.on("response", (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on("error", reject);
  });
  status.catch(() => undefined);
  return { sent, status };
}

/** Whether this process has a file in the folder open, also one without a name. */
async function spools(): Promise<number> {
  const names = await readdir("/proc/self/fd");
  const links = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => "")));
  return links.filter((target) => target.startsWith(batches.folder)).length;
}

describe.skipIf(process.platform !== "linux")("an upload", () => {
  test("that is cut leaves no file, no batch, and its place to another", async () => {
    for (const id of ["cut-1", "cut-2", "cut-3"]) {
      const { sent, status } = openUpload(`?id=${id}`);
      sent.write(line("a") + line("b"));
      await until(async () => (await spools()) === 1, { what: "the file" });
      sent.destroy();
      await expect(status).rejects.toThrow();
      await until(async () => (await spools()) === 0, { what: "the file to be gone" });
      expect((await api.call("GET", `/v1/batches/${id}`)).status).toBe(404);
    }
    expect(await readdir(batches.folder)).toEqual([]);
    expect((await batches.upload("?id=cut-1", line("a") + line("b"))).body).toMatchObject({ total: 2 });
  });

  test("that grows past the bound is refused when its client has sent it all", async () => {
    const { sent, status } = openUpload("?id=huge");
    const piece = line("h").padEnd(1_000_000, " ");
    for (let at = 0; at < 40; at += 1) if (!sent.write(piece)) await once(sent, "drain");
    sent.end();
    expect(await status).toBe(413);
    await until(async () => (await spools()) === 0, { what: "the file to be gone" });
    expect((await api.call("GET", "/v1/batches/huge")).status).toBe(404);
  });

  test("past the number of places is told to come again, and the others go on", async () => {
    const both = [openUpload("?id=p1"), openUpload("?id=p2")];
    for (const { sent } of both) sent.write(line("a"));
    await until(async () => (await spools()) === 2, { what: "both files" });
    const third = await batches.upload("?id=p3", line("a"));
    expect(third).toMatchObject({ status: 429, body: { error: { code: "rate_limited" } } });
    expect(third.headers.get("retry-after")).toBe("5");
    for (const { sent } of both) sent.end();
    expect(await Promise.all(both.map(({ status }) => status))).toEqual([202, 202]);
    expect((await batches.upload("?id=p3", line("a"))).status).toBe(202);
  });

  test("may take longer than other requests", async () => {
    const other = await batches.openApi(api.producer, {
      serverBounds: { requestMsMax: 300, lookEveryMs: 20 },
    });
    try {
      const slow = openUpload("?id=slow", other.url);
      slow.sent.write(line("a"));
      await until(async () => (await spools()) === 1, { what: "the file" });
      const usual = openUpload("", other.url, "/v1/runs");
      usual.sent.write("{");
      expect(await usual.status).toBe(408);
      slow.sent.end(line("b"));
      expect(await slow.status).toBe(202);
    } finally {
      await other.stop(1_000);
    }
  });

  test("is submitted to its end though its client has left", async () => {
    const file = Array.from({ length: 400 }, (_, at) => line(`n${at}`)).join("");
    const begin = Promise.withResolvers<void>();
    const service = replaceMethods(api.producer, {
      async submitBatch(...args) {
        await begin.promise;
        return api.producer.submitBatch(...args);
      },
    });
    const other = await batches.openApi(service);
    try {
      const { sent, status } = openUpload("?id=on", other.url);
      sent.end(file);
      await until(async () => (await spools()) === 1, { what: "the file" });
      sent.destroy();
      await expect(status).rejects.toThrow();
      begin.resolve();
      await until(async () => (await api.call("GET", "/v1/batches/on")).body.lines === 400, {
        what: "all of its runs",
      });
      await until(async () => (await spools()) === 0, { what: "the file to be gone" });
    } finally {
      await other.stop(1_000);
    }
  });

  test("that a stop of the API breaks off is answered, and goes on when it is sent again", async () => {
    const file = Array.from({ length: 600 }, (_, at) => line(`s${at}`)).join("");
    const stopped = Promise.withResolvers<void>();
    const service = replaceMethods(api.producer, {
      async submitBatch(lines, ...rest) {
        const some = async function* () {
          let count = 0;
          for await (const one of lines) {
            if (count === 300) await stopped.promise;
            count += 1;
            yield one;
          }
        };
        return api.producer.submitBatch(some(), ...rest);
      },
    });
    const other = await batches.openApi(service);
    const answer = postBatch(other.url, "?id=broken", file);
    await until(async () => (await api.call("GET", "/v1/batches/broken")).body.total === 300, {
      what: "a half of its runs",
    });
    const stop = other.stop(5_000);
    stopped.resolve();
    expect(await answer).toMatchObject({ status: 503, body: { error: { code: "shutting_down" } } });
    await stop;
    expect((await api.call("GET", "/v1/batches/broken")).body).toMatchObject({
      status: "submitting",
      lines: null,
    });
    const again = await batches.upload("?id=broken", file);
    expect(again.body).toMatchObject({ lines: 600, total: 600, submission: { created: 300, known: 300 } });
  });
});
