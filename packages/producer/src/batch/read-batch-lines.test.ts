/** Batch files as people write them: what becomes a run, and what is said of each line that does not. */
import { BatonError } from "@baton/core";
import { describe, expect, test } from "vitest";
import { batchIdOf, checkBatch } from "./check-batch.ts";
import { bytesOf, jsonLine, linesOf } from "./testing/bytes.ts";

const reasons = async (content: string, options = {}) =>
  (await linesOf(content, options)).map((line) => (line.kind === "bad" ? line.reason : "run"));

describe("JSON lines", () => {
  test("become runs with their names and numbers", async () => {
    expect(await linesOf(`${jsonLine("a")}\n  \n${jsonLine("b", { max_turns: 3 })}`)).toEqual([
      { kind: "run", line: 1, customId: "a", spec: { input: "do a", model: "openai/gpt" } },
      { kind: "run", line: 4, customId: "b", spec: { input: "do b", model: "openai/gpt", max_turns: 3 } },
    ]);
  });

  test("a long one says how long it is", async () => {
    const long = jsonLine("a", { input: "x".repeat(5_000) });
    const [line] = await linesOf(`${long}\n`);
    expect(line).toMatchObject({ kind: "run", chars: long.trimEnd().length });
  });

  test.each([
    ["text that is no JSON", "nope", /^it is not JSON: /],
    ["a list", "[]", /^it is not an object/],
    ["no custom_id", '{"body":{}}', /^custom_id: a text of 1 to 512/],
    ["a custom_id that is a number", '{"custom_id":1,"body":{}}', /^custom_id/],
    ["a custom_id that is too long", JSON.stringify({ custom_id: "x".repeat(513), body: {} }), /^custom_id/],
    ["no body", '{"custom_id":"a"}', /^body: an object is missing/],
    ["a field that is none", '{"custom_id":"a","body":{},"input":"x"}', /^input: a line has custom_id, body/],
    [
      "a spec that is wrong, with all its fields",
      jsonLine("a", { model: "gpt", max_turns: 0 }),
      /^body\.model: a model id is provider\/model.*; body\.max_turns: /,
    ],
    [
      "items that are wrong",
      jsonLine("a", { input: undefined, messages: [{ role: "system", content: "x" }] }),
      /system messages alone/,
    ],
  ])("with %s say so", async (_, content, says) => {
    expect(await reasons(content)).toEqual([expect.stringMatching(says)]);
  });

  test.each([
    "canary",
    '{"a": canary}',
    '{"canary" 1}',
    '{"a":"canary',
    "undefined",
    '["canary\\q"]',
    "'canary'",
  ])("that are no JSON are not quoted in the reason, which may be shown to others: %s", async (content) => {
    const [reason = ""] = await reasons(content);
    expect(reason).toMatch(/^it is not JSON: ./);
    expect(reason).not.toMatch(/canary|undefined/);
  });

  test("that are nested too deep, or have too many values, are refused before they are read", async () => {
    const deep = "[".repeat(100) + "]".repeat(100);
    const many = JSON.stringify(Array(60_000).fill(1));
    const lineOf = (input: string) => `{"custom_id":"a","body":{"model":"openai/gpt","input":${input}}}\n`;
    expect(await reasons(lineOf(deep))).toEqual(["it is JSON nested deeper than 64 levels"]);
    expect(await reasons(lineOf(many))).toEqual(["it is JSON of more than 50000 values"]);
  });

  test("have each custom_id once; the second one names the first", async () => {
    const [first, second] = await linesOf(jsonLine("a") + jsonLine("a", { input: "other" }));
    expect(first?.kind).toBe("run");
    expect(second).toEqual({
      kind: "bad",
      line: 2,
      customId: "a",
      reason: "custom_id: line 1 has the same one",
    });
  });

  test("keep their custom_id when it is another line's that is wrong", async () => {
    expect(await reasons(`{"custom_id":"a","body":{}}\n${jsonLine("a")}`)).toEqual([
      expect.stringMatching(/^body/),
      "run",
    ]);
  });

  test("take what they do not say from the defaults", async () => {
    const defaults = { model: ["openai/gpt", "anthropic/claude"], instructions: "be brief" };
    const lines = await linesOf(
      `{"custom_id":"a","body":{"input":"x"}}\n{"custom_id":"b","body":{"input":"x","phases":[{"model":"openai/o"}]}}`,
      { defaults },
    );
    expect(lines.map((line) => line.kind === "run" && line.spec)).toEqual([
      { input: "x", ...defaults },
      { input: "x", instructions: "be brief", phases: [{ model: "openai/o" }] },
    ]);
  });

  test("take each setting that they do not say, and no input beside their messages", async () => {
    const defaults = {
      model: "openai/gpt",
      input: "x",
      settings: { temperature: 0.5, max_output_tokens: 9 },
    };
    const messages = [{ role: "user", content: "hi" }];
    const body = { messages, settings: { temperature: 0 } };
    const openai = { method: "POST", url: "/v1/chat/completions", body: { messages, temperature: 0 } };
    const lines = await linesOf(
      [{ body }, openai].map((line, at) => `${JSON.stringify({ custom_id: `c${at}`, ...line })}\n`).join(""),
      { defaults },
    );
    const spec = { model: "openai/gpt", messages, settings: { temperature: 0, max_output_tokens: 9 } };
    expect(lines.map((line) => (line.kind === "run" ? line.spec : line.reason))).toEqual([spec, spec]);
  });

  test("are asked about by the caller, whose words are told", async () => {
    const check = ({ model }: { model?: unknown }) =>
      model === "x/y" ? "there is no provider x" : undefined;
    expect(await reasons(jsonLine("a") + jsonLine("b", { model: "x/y" }), { check })).toEqual([
      "run",
      "there is no provider x",
    ]);
  });
});

describe("CSV rows", () => {
  const options = { template: "Write about {{ company }} in {{city}}.", defaults: { model: "openai/gpt" } };

  test("fill the template, whatever is quoted in them", async () => {
    const csv =
      '\ufeff"company",city,custom_id\r\n"Acme, Inc",Bonn,a\r\n\r\n"He said ""hi""\nthere",Köln,b\r\n';
    expect(await linesOf(csv, options)).toMatchObject([
      { line: 2, customId: "a", spec: { input: "Write about Acme, Inc in Bonn.", model: "openai/gpt" } },
      { customId: "b", spec: { input: 'Write about He said "hi"\nthere in Köln.' } },
    ]);
  });

  test("are told by the line on which they begin, with breaks in their fields", async () => {
    const csv = 'company,city\r\nA,B\r\n\r\n"C\r\nD\nE",F\r\nG\r\nH,"I\nJ"\r\nK\r\n';
    const lines = await linesOf(csv, options);
    expect(lines.map(({ kind, line }) => [kind, line])).toEqual([
      ["run", 2],
      ["run", 4],
      ["bad", 7],
      ["run", 8],
      ["bad", 10],
    ]);
  });

  test("are named by their number where no column names them", async () => {
    const lines = await linesOf("company,city\nA,B\nC,D\n", options);
    expect(lines.map((line) => line.customId)).toEqual(["row-1", "row-2"]);
  });

  test("may say when they start, and need no template with a column input", async () => {
    const csv = "input,run_at\nhi,2030-01-01T00:00:00Z\nho,\n";
    const lines = await linesOf(csv, { format: "csv", defaults: options.defaults });
    expect(lines.map((line) => line.kind === "run" && [line.spec.input, line.spec.run_at])).toEqual([
      ["hi", "2030-01-01T00:00:00Z"],
      ["ho", undefined],
    ]);
  });

  test.each([
    ["a row that is too short", "company,city\nA\nC,D\n", ["the row has 1 fields, the header has 2", "run"]],
    ["a row that is too long", "company,city\nA,B,C\n", ["the row has 3 fields, the header has 2"]],
    ["an empty custom_id", "company,city,custom_id\nA,B,\n", [expect.stringMatching(/^custom_id/)]],
    [
      "the same custom_id twice",
      "company,city,custom_id\nA,B,x\nC,D,x\n",
      ["run", "custom_id: line 2 has the same one"],
    ],
  ])("with %s say so", async (_, csv, expected) => {
    expect(await reasons(csv, options)).toEqual(expected);
  });

  test("behind a quote that is wrong are not guessed at: the file ends there", async () => {
    const lines = await linesOf('company,city\nA,B\n"x" y,C\nD,E\n', options);
    expect(lines.at(-1)).toMatchObject({
      kind: "bad",
      line: 3,
      isEnd: true,
      reason: expect.stringMatching(/cannot be read from here on/),
    });
  });

  test.each([
    ['A,B\nx "y" z,C\n', /^the file .*: a quote stands in a field that does not begin with one$/],
    ['A,B\n"x,C\n', /^the file .*: a quote is not closed$/],
    ['A,B\n"x" y,C\n', /^the file .*: something other than a comma .* behind a closing quote$/],
  ])("tell in words what is wrong with the quotes of %j", async (rows, says) => {
    const last = (await linesOf(`company,city\n${rows}`, options)).at(-1);
    expect(last?.kind === "bad" && last.reason).toMatch(says);
  });

  test("that are longer than a line may be end the file, too", async () => {
    const lines = await linesOf(`company,city\nA,${"x".repeat(500)}\nC,D\n`, {
      ...options,
      lineBytesMax: 100,
    });
    expect(lines.at(-1)).toMatchObject({ kind: "bad", isEnd: true });
  });

  test("that are not UTF-8 say so", async () => {
    const csv = Buffer.concat([Buffer.from("company,city\nA,"), Buffer.from([0xff]), Buffer.from("\nC,D\n")]);
    expect(await linesOf(csv, options)).toMatchObject([
      { kind: "bad", line: 2, reason: "the row is not valid UTF-8" },
      { kind: "run" },
    ]);
  });

  test.each([
    [
      "names a column that is not there",
      "company\nA\n",
      options.template,
      /names \{\{city\}\}, and .* columns company$/,
    ],
    ["has a place that is not closed", "company\nA\n", "about {{company", /not closed/],
    ["is missing", "company\nA\n", undefined, /no column input.*--template.*columns: company/],
    ["meets two columns of one name", "company,company\nA,B\n", "{{company}}", /two columns "company"/],
    ["meets an empty file", "", "{{company}}", /is empty/],
  ])("are not begun when the template %s", async (_, csv, template, says) => {
    const read = linesOf(csv, {
      format: "csv",
      defaults: options.defaults,
      ...(template ? { template } : {}),
    });
    await expect(read).rejects.toThrow(says);
    await expect(read).rejects.toBeInstanceOf(BatonError);
  });

  test("pass the errors of their source on", async () => {
    const { readBatchLines } = await import("./read-batch-lines.ts");
    const broken = async function* () {
      yield Buffer.from("company,city\nA,B\n");
      throw new Error("the disk is gone");
    };
    await expect(Array.fromAsync(readBatchLines(broken(), options))).rejects.toThrow("the disk is gone");
  });
});

describe("a check", () => {
  const never = new AbortController().signal;

  test("counts what can be submitted and tells of each line that cannot", async () => {
    const bad: number[] = [];
    const content = `${jsonLine("a")}nope\n${jsonLine("b")}`;
    const checked = await checkBatch(bytesOf(content), { onBad: ({ line }) => bad.push(line) }, never);
    expect(checked).toMatchObject({ runs: 2, bad: 1, isCut: false, bytes: Buffer.byteLength(content) });
    expect(bad).toEqual([2]);
  });

  test("gives the digest that sha256sum gives, which names the batch", async () => {
    const { sha256 } = await checkBatch(bytesOf("abc"), {}, never);
    expect(sha256).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(batchIdOf(sha256, { defaults: {} })).toBe("b_ba7816bf8f01cfea4141");
  });

  test("names another batch when the options make other runs of the same file", () => {
    const ids = [
      batchIdOf("ab", {}),
      batchIdOf("ab", { template: "x" }),
      batchIdOf("ab", { template: "y" }),
      batchIdOf("ab", { defaults: { model: "openai/gpt" } }),
    ];
    expect(new Set(ids).size).toBe(4);
    expect(batchIdOf("ab", { template: "x" })).toBe(ids[1]);
  });

  test("ends at an abort", async () => {
    await expect(checkBatch(bytesOf(jsonLine("a")), {}, AbortSignal.abort())).rejects.toThrow(/abort/);
  });
});
