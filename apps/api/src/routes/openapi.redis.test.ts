/** The document: valid by an independent validator, whole, and true to what the API does. */
import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { EXAMPLES, HEADERS_OF } from "../openapi/said-of-calls.ts";
import { type ApiRig, openApiRig } from "../testing/api-rig.ts";

const redis = useRedis();
const METHODS = new Set(["get", "post", "patch", "put", "delete"]);

interface Operation {
  readonly path: string;
  readonly method: string;
  readonly operationId: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly object[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: object }[];
  readonly requestBody?: {
    readonly required: boolean;
    readonly content: Readonly<Record<string, { readonly example?: string }>>;
  };
  readonly responses: Readonly<Record<string, { readonly headers?: Readonly<Record<string, unknown>> }>>;
  readonly "x-scope"?: string;
}

async function readDocument(api: ApiRig) {
  const { body } = await api.call("GET", "/openapi.json");
  const operations: Operation[] = Object.entries(body.paths).flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, Omit<Operation, "path" | "method">>)
      .filter(([method]) => METHODS.has(method))
      .map(([method, operation]) => ({ path, method, ...operation })),
  );
  return { document: body, operations };
}

describe("the document", () => {
  test("is valid OpenAPI 3.1, and each of its references leads somewhere", async () => {
    await using api = await openApiRig(redis.url);
    const { document } = await readDocument(api);
    expect(document.openapi).toBe("3.1.0");
    const validator = new Validator();
    expect(await validator.validate(structuredClone(document))).toEqual({ valid: true });
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/([^"]+)"/g)];
    expect(refs.length).toBeGreaterThan(50);
    for (const [, kind = "", name = ""] of refs) expect(document.components[kind]).toHaveProperty([name]);
  });

  test("says of each call what it is for, who may call it, and how it is refused", async () => {
    await using api = await openApiRig(redis.url);
    const { document, operations } = await readDocument(api);
    const tags = document.tags.map((tag: { name: string }) => tag.name);
    for (const operation of operations) {
      const { path, method, operationId, summary, responses, security, parameters = [] } = operation;
      const where = `${method} ${path}`;
      expect(operationId, where).toMatch(/^[a-z][A-Za-z]+$/);
      expect(summary, where).toMatch(/^\S.{8,}/);
      expect(tags, where).toEqual(expect.arrayContaining([...(operation.tags ?? ["none"])]));
      expect(Object.keys(responses), where).toEqual(expect.arrayContaining(["400", "default"]));
      expect(security, where).toEqual(operation["x-scope"] === undefined ? [] : [{ apiKey: [] }, {}]);
      const named = parameters.filter((one) => one.in === "path").map(({ name }) => `{${name}}`);
      expect(path.match(/\{[^}]+\}/g) ?? [], where).toEqual(named);
    }
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(expect.arrayContaining([...Object.keys(EXAMPLES), ...Object.keys(HEADERS_OF)]));
  });

  test("tells the headers that come back, and which bodies may be left out", async () => {
    await using api = await openApiRig(redis.url);
    const { document, operations } = await readDocument(api);
    const of = (id: string) => operations.find(({ operationId }) => operationId === id);
    expect(of("submitRun")?.responses["202"]?.headers).toHaveProperty("Location");
    expect(of("getRun")?.responses["304"]).toEqual({
      description: expect.any(String),
      headers: expect.objectContaining({ ETag: { $ref: "#/components/headers/ETag" } }),
    });
    const away = of("getRun")?.responses["503"];
    expect(away).toEqual({ $ref: "#/components/responses/Unavailable" });
    expect(document.components.responses.Unavailable.headers).toHaveProperty("Retry-After");
    expect(of("createResponse")?.responses["429"]).toEqual({
      $ref: "#/components/responses/RateLimitedOfOpenAi",
    });
    expect(of("submitRun")?.requestBody?.required).toBe(true);
    expect(of("retryRun")?.requestBody?.required).toBe(false);
  });

  test("tells clients made of it how to send a batch file, and what streams are made of", async () => {
    await using api = await openApiRig(redis.url);
    const { document, operations } = await readDocument(api);
    const of = (id: string) => operations.find(({ operationId }) => operationId === id);
    const submit = of("submitBatch");
    expect(submit?.requestBody).toMatchObject({ required: true });
    const types = Object.keys(submit?.requestBody?.content ?? {});
    expect(types).toContain("text/csv");
    for (const type of types) {
      const file = submit?.requestBody?.content?.[type]?.example;
      if (file === undefined) continue;
      const query = type === "text/csv" ? "?template=%7B%7Bcompany%7D%7D&model=openai/gpt-5.2" : "";
      const headers = { "content-type": type };
      const answer = await fetch(`${api.url}/v1/batches${query}`, { method: "POST", headers, body: file });
      expect(answer.status, type).toBe(202);
    }
    const check = submit?.parameters?.find(({ name }) => name === "check");
    expect(check).toMatchObject({ schema: { type: "boolean" } });
    expect(of("listRuns")?.parameters?.find(({ name }) => name === "metadata")).toMatchObject({
      style: "deepObject",
    });
    const item = (id: string, media: string) =>
      document.paths[of(id)?.path ?? ""].get.responses["200"].content[media]["x-item-schema"];
    expect(item("watchRun", "text/event-stream").anyOf[0]).toEqual({ $ref: "#/components/schemas/Event" });
    expect(item("getBatchResults", "application/x-ndjson")).toEqual({
      $ref: "#/components/schemas/BatchResult",
    });
  });

  test("leaves answers open for fields to come, and requests closed for misspelt ones", async () => {
    await using api = await openApiRig(redis.url);
    const { schemas } = (await readDocument(api)).document.components;
    for (const name of ["Run", "Batch", "Pool", "Problem", "BatchResult"]) {
      expect(schemas[name], name).toHaveProperty("properties");
      expect(schemas[name], name).not.toHaveProperty("additionalProperties");
    }
    expect(schemas.RunSpec.additionalProperties).toBe(false);
    expect(schemas.PoolPatch.additionalProperties).toBe(false);
  });

  test("has examples that the calls take", async () => {
    await using api = await openApiRig(redis.url);
    const example = EXAMPLES.submitRun;
    const { body, status } = await api.call("POST", "/v1/runs", example);
    expect(status).toBe(202);
    expect((await api.call("PATCH", "/v1/pools/openai/gpt-5.2", EXAMPLES.setPool)).status).toBe(200);
    for (const [id, act] of [
      ["resumeRun", "resume"],
      ["retryRun", "retry"],
      ["answerRun", "input"],
      ["rejectCalls", "reject"],
      ["forkRun", "fork"],
    ]) {
      const answer = await api.call("POST", `/v1/runs/${body.id}/${act}`, EXAMPLES[id ?? ""]);
      // What they name need not be there; what they say must be understood.
      expect(answer.body?.error?.message ?? "", id).not.toMatch(/^invalid body/);
    }
  });
});
