/** What the document says of calls beside their schemas. */
import type { FastifyDynamicSwaggerOptions } from "@fastify/swagger";

type Document = NonNullable<FastifyDynamicSwaggerOptions["openapi"]>;
type Components = NonNullable<Document["components"]>;

interface DocumentMeta {
  readonly info: Omit<NonNullable<Document["info"]>, "version">;
  readonly tags: NonNullable<Document["tags"]>;
  readonly securitySchemes: NonNullable<Components["securitySchemes"]>;
  /** Words for answers, by status. */
  readonly answers: Readonly<Record<string, string>>;
}

export const META: DocumentMeta = {
  info: {
    title: "Baton",
    license: { name: "MIT", identifier: "MIT" },
    description:
      "Runs LLM jobs that pass from model to model, durably. Times are ISO 8601 in UTC, names are in snake_case. An error has the form of `Problem`: `code` is stable, `message` says what is wrong and what to do. What comes as a stream has the schema of its single events or lines as `x-item-schema`.",
  },
  tags: [
    { name: "runs", description: "Submit runs, look at them, wait for them, steer them." },
    { name: "batches", description: "Many runs at once: JSONL in, JSONL out." },
    { name: "pools", description: "The models' pools: what waits, who serves it, what bounds it." },
    { name: "openai", description: "What clients of OpenAI and Dedalus call." },
    { name: "probes", description: "For those who watch the process itself." },
  ],
  securitySchemes: {
    apiKey: {
      type: "http",
      scheme: "bearer",
      description:
        "A key that `baton keys create` made. An API on a loopback address asks for none until there is one. `x-scope` of a call is what the key must be allowed to.",
    },
  },
  answers: {
    "200": "Done.",
    "202": "Taken in; it goes on.",
  },
};

const text = { type: "string" } as const;

export const HEADERS = {
  Location: { schema: text, required: true, description: "The run's path." },
  ETag: {
    schema: text,
    required: true,
    description: "Changes whenever the answer would; for `If-None-Match`.",
  },
  "X-Baton-Run-Id": { schema: text, description: "The run behind the answer." },
  "X-Request-Id": { schema: text, description: "Of this answer: the log of the API has it, too." },
  "RateLimit-Limit": {
    schema: { type: "integer" },
    description: "Requests a minute that the API key may make, if it is bound in them.",
  },
  "RateLimit-Remaining": { schema: { type: "integer" }, description: "Those that are left of them now." },
  "RateLimit-Reset": {
    schema: { type: "integer" },
    description: "Seconds until all of them are there again.",
  },
  "Retry-After": {
    schema: { type: "integer" },
    description: "Seconds, where trying again later can help.",
  },
  Allow: { schema: text, description: "Of a 405: the methods that the path takes." },
  "WWW-Authenticate": { schema: text, description: "What the API key lacks." },
} satisfies NonNullable<Components["headers"]>;

type HeaderName = keyof typeof HEADERS;

/** Of every answer that a route gives. */
export const HEADERS_OF_ROUTES = ["X-Request-Id"] as const satisfies readonly HeaderName[];
/** Of every answer to a request that showed an API key. */
export const HEADERS_OF_KEYS = [
  "RateLimit-Limit",
  "RateLimit-Remaining",
  "RateLimit-Reset",
] as const satisfies readonly HeaderName[];

export const HEADERS_OF: Readonly<Record<string, Readonly<Record<string, readonly HeaderName[]>>>> = {
  submitRun: { "200": ["Location"], "202": ["Location"] },
  forkRun: { "200": ["Location"], "202": ["Location"] },
  getRun: { "200": ["ETag"], "304": ["ETag"] },
  createChatCompletion: { "200": ["X-Baton-Run-Id"] },
  createResponse: { "200": ["X-Baton-Run-Id"] },
};

const FILE = { schema: { type: "string" } };

/** Bodies that are read as they come, and have no schema to be read by. */
export const BODIES: Readonly<Record<string, object>> = {
  submitBatch: {
    required: true,
    content: {
      "application/x-ndjson": {
        ...FILE,
        example: '{"custom_id": "a1", "body": {"input": "Say hello", "model": "openai/gpt-5.2"}}\n',
      },
      "application/jsonl": FILE,
      "text/plain": FILE,
      "text/csv": { ...FILE, example: "custom_id,company\na1,Acme\n" },
    },
  },
};

/** Parameters whose names are not known beforehand. */
export const PARAMETERS: Readonly<Record<string, readonly object[]>> = {
  listRuns: [
    {
      name: "metadata",
      in: "query",
      required: false,
      style: "deepObject",
      explode: true,
      description:
        "Only runs whose metadata has these values: `metadata[team]=travel`, or `metadata.team=travel`.",
      schema: { type: "object", additionalProperties: { type: "string", maxLength: 512 } },
    },
  ],
};

/** Bodies of the main calls. */
export const EXAMPLES: Readonly<Record<string, unknown>> = {
  submitRun: {
    input:
      "Find me the nearest basketball games in January in San Francisco, then write a concise plan for attending.",
    model: ["openai/gpt-5.2", "anthropic/claude-opus-4-5"],
    mcp_servers: ["tsion/exa"],
    budget: { usd: 0.5 },
    metadata: { team: "travel" },
  },
  retryRun: { model: "anthropic/claude-opus-4-5", input: "Go on with what you have.", attempts: 3 },
  resumeRun: { budget: { usd: 2 } },
  answerRun: { tool_results: [{ tool_call_id: "call_1", content: "14 °C, rain" }] },
  rejectCalls: { calls: ["call_1"], reason: "Not on a weekend." },
  forkRun: { at: 6, model: "openai/gpt-5-mini" },
  setPool: { concurrency: 20, rpm: 500, tpm: null },
};
