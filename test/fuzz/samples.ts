/** Requests that are right, or nearly so: with them runs and batches come to be, and from them most others are made. */
import fc from "fast-check";
import type { Header } from "./fuzz-case.ts";
import type { Operation, Surface } from "./operations.ts";
import { valuesOf } from "./schema-values.ts";

export interface Sample {
  /** Values for the path's parameters. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: readonly (readonly [name: string, value: string])[];
  readonly headers: readonly Header[];
  readonly body?: Body | undefined;
}

type Body =
  | { readonly kind: "json"; readonly value: unknown }
  | { readonly kind: "text"; readonly text: string; readonly type: string };

export const MODELS = ["openai/gpt-5.2", "openai/gpt-5-mini", "anthropic/claude-opus-4-5"] as const;
/** Pools that are steered: nobody works there, so nothing that is to end waits for them. */
const STEERED = ["xai/one", "xai/two"] as const;

const some = <Value>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 2 });
const place = fc.nat(60);
const of = (pool: string): fc.Arbitrary<string> => place.map((number) => `@${pool}:${number}@`);
const model = fc.constantFrom(...MODELS);
/** The models that answer know these words, see worker-process.ts. */
const input = fc.oneof(
  { arbitrary: fc.constantFrom("Say hello.", "Please fail.", "Be slow."), weight: 4 },
  { arbitrary: fc.string({ minLength: 1, maxLength: 80, unit: "binary" }), weight: 1 },
);
const look = {
  type: "function",
  function: { name: "look", description: "Looks.", parameters: { type: "object", properties: {} } },
};
const json = (value: fc.Arbitrary<unknown>): fc.Arbitrary<Body> =>
  value.map((one): Body => ({ kind: "json", value: one }));

const spec = fc.record({
  input,
  model: fc.oneof(model, fc.uniqueArray(model, { minLength: 1, maxLength: 3 })),
  instructions: some(fc.string({ maxLength: 40, unit: "grapheme" })),
  tools: some(fc.constant([look])),
  max_turns: some(fc.integer({ min: 1, max: 20 })),
  metadata: some(fc.constant({ team: "a", "with space": "é" })),
  priority: some(fc.integer({ min: 1, max: 1_000 })),
});
const key = fc.oneof<fc.MaybeWeightedArbitrary<Header | undefined>[]>(
  { arbitrary: fc.constant(undefined), weight: 4 },
  { arbitrary: place.map((number) => ["idempotency-key", `key-${number}`]), weight: 1 },
);

const chat = fc.record({
  model: fc.oneof(model, fc.constant([...MODELS])),
  messages: fc.oneof(
    input.map((content) => [{ role: "user", content }]),
    fc.constant([
      { role: "system", content: "Be brief." },
      { role: "user", content: [{ type: "text", text: "Say hello." }] },
    ]),
  ),
  stream: some(fc.boolean()),
  stream_options: fc.constant(undefined),
  tools: some(fc.constant([look])),
  temperature: some(fc.constant(0.5)),
});

const line = fc
  .tuple(place, spec)
  .map(([number, body]) => JSON.stringify({ custom_id: `line-${number}`, body }));
const file = fc.oneof(
  fc.array(line, { minLength: 1, maxLength: 5 }).map((lines) => ({
    kind: "text" as const,
    text: `${lines.join("\n")}\n`,
    type: "application/x-ndjson",
  })),
  fc.constant({ kind: "text" as const, text: "word,custom_id\nhi,x\nho,y\n", type: "text/csv" }),
);

const tool = (name: string, args: fc.Arbitrary<unknown>) => args.map((one) => ({ name, arguments: one }));
const rpc = fc
  .tuple(
    place,
    fc.oneof(
      fc.constant({
        method: "initialize",
        params: {
          protocolVersion: "2025-06-18",
          capabilities: {},
          clientInfo: { name: "fuzz", version: "1" },
        },
      }),
      fc.constantFrom({ method: "tools/list" }, { method: "ping" }, { method: "resources/list" }),
      fc
        .oneof(
          tool("submit_run", fc.record({ input, model })),
          tool("get_run", fc.record({ id: of("run") })),
          tool("wait_run", fc.record({ id: of("run"), seconds: fc.constant(1) })),
          tool("list_runs", fc.constant({})),
          tool("get_conversation", fc.record({ id: of("run") })),
          tool("cancel_run", fc.record({ id: of("run") })),
          tool(
            "submit_batch",
            fc.constant({ lines: [{ custom_id: "m", body: { input: "hi", model: MODELS[0] } }] }),
          ),
        )
        .map((params) => ({ method: "tools/call", params })),
    ),
  )
  .map(([id, call]) => ({ jsonrpc: "2.0", id, ...call }));
const mcpHeaders: readonly Header[] = [["accept", "application/json, text/event-stream"]];

const wait = some(fc.constantFrom("0", "0.2", "1"));

/** Values of the path, query, headers and body that are not made from the schema, by operation. */
const OWN: Readonly<Record<string, (operation: Operation) => fc.Arbitrary<Partial<Sample>>>> = {
  submitRun: () =>
    fc.tuple(json(spec), wait, key).map(([body, seconds, header]) => ({
      body,
      query: seconds === undefined ? [] : [["wait", seconds]],
      headers: header === undefined ? [] : [header],
    })),
  createChatCompletion: () =>
    fc
      .tuple(json(chat), key)
      .map(([body, header]) => ({ body, headers: header === undefined ? [] : [header] })),
  createResponse: () =>
    json(fc.record({ model, input, stream: some(fc.boolean()) })).map((body) => ({ body })),
  submitBatch: () =>
    fc.tuple(file, some(fc.constantFrom("true", "false"))).map(([body, skips]) => ({
      body,
      query: [
        ...(body.type === "text/csv"
          ? ([
              ["template", "Say {{word}}"],
              ["model", MODELS[0]],
            ] as const)
          : []),
        ...(skips === undefined ? [] : ([["skip_invalid", skips]] as const)),
      ],
      headers: [["content-type", body.type]],
    })),
  answerRun: () =>
    fc
      .tuple(
        of("waiting"),
        json(
          fc.constantFrom<unknown>(
            { tool_results: [{ tool_call_id: "call_look", content: "fine" }] },
            { tool_results: [{ tool_call_id: "call_look", content: "fine" }], message: "go on" },
          ),
        ),
      )
      .map(([id, body]) => ({ params: { id }, body })),
  retryRun: () =>
    fc
      .tuple(fc.oneof(of("failed"), of("cancelled")), json(fc.constantFrom({}, { input: "again" })))
      .map(([id, body]) => ({
        params: { id },
        body,
      })),
  resumeRun: () => of("waiting").map((id) => ({ params: { id }, body: undefined })),
  forkRun: () => json(fc.constantFrom<unknown>({}, { input: "and now?" })).map((body) => ({ body })),
  getRun: () =>
    some(place).map((number) =>
      number === undefined
        ? {}
        : { params: { id: `@marked:${number}@` }, headers: [["if-none-match", `@etag:${number}@`]] },
    ),
  watchRun: () =>
    some(of("event")).map((id) => ({ headers: id === undefined ? [] : [["last-event-id", id]] })),
  listRuns: () =>
    fc
      .tuple(some(of("cursor")), some(fc.constantFrom("succeeded", "failed", "waiting")))
      .map(([cursor, status]) => ({
        query: [
          ...(cursor === undefined ? [] : ([["cursor", cursor]] as const)),
          ...(status === undefined ? [] : ([["status", status]] as const)),
        ],
      })),
  mcpPOST: () =>
    json(
      fc.oneof({ arbitrary: rpc, weight: 4 }, { arbitrary: fc.array(rpc, { maxLength: 3 }), weight: 1 }),
    ).map((body) => ({ body, headers: mcpHeaders })),
};

export function sampleOf(operation: Operation, { schemas }: Surface): fc.Arbitrary<Sample> {
  const bodySchema = operation.body;
  const body =
    bodySchema === undefined || bodySchema.type === "string"
      ? fc.constant(undefined)
      : json(valuesOf(bodySchema, schemas));
  const params = fc.record({ id: idFor(operation), model: modelFor(operation) });
  const query = fc
    .tuple(
      ...operation.query.map((parameter) =>
        // What is not said is mostly right.
        fc
          .option(valuesOf(parameter.schema, schemas), { nil: undefined, freq: 2 })
          .map((value) => [parameter.name, value] as const),
      ),
    )
    .map((values) =>
      values.flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)] as const])),
    );
  const own: fc.Arbitrary<Partial<Sample>> = OWN[operation.id]?.(operation) ?? fc.constant({});
  // Mostly without query where an operation has its own sample, else what the schema says.
  const plain = operation.id in OWN ? fc.constant([]) : fc.oneof(fc.constant([]), query);
  return fc
    .tuple(fc.record({ params, query: plain, body }), own)
    .map(([general, { params: ownParams = {}, ...rest }]) => ({
      headers: [],
      ...general,
      ...rest,
      params: { ...general.params, ...ownParams },
    }));
}

function idFor({ path }: Operation): fc.Arbitrary<string> {
  return of(path.startsWith("/v1/batches") ? "batch" : "run");
}

function modelFor({ path, method }: Operation): fc.Arbitrary<string> {
  const isSteered = path.startsWith("/v1/pools") && method !== "GET";
  return fc.constantFrom<string>(...(isSteered ? STEERED : MODELS));
}
