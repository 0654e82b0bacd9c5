import { afterAll, beforeAll, expect, test } from "vitest";
import { openCli } from "../support/cli.ts";
import {
  type OtlpReceiver,
  type ReceivedSpan,
  SPAN_KIND,
  startOtlpReceiver,
} from "../support/otlp-receiver.ts";
import type { ScriptProcess } from "../support/processes.ts";
import { useRedis } from "../support/redis.ts";

const redis = useRedis();
const [TRACE, SPAN] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
const INPUT = "Research tidal power, then write a short essay about it";
const TASK = [INPUT, "-m", "openai/gpt-5.2", "-m", "anthropic/claude-opus-4-5", "--mcp", "documents"];

/** Runs by what their submitter told of its trace: nothing, that it is sampled, that it is not. */
let ids: { readonly plain: string; readonly sampled: string; readonly silent: string };
let receiver: OtlpReceiver;

/** Each model is served by a process of its own; both have ended, and sent what they had. */
beforeAll(async () => {
  receiver = await startOtlpReceiver();
  await using cli = await openCli(redis.url);
  const start = async (pattern: string, name: string): Promise<ScriptProcess> => {
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_SERVICE_NAME: name,
    };
    const worker = await cli.start(["worker", "-m", pattern, "--json"], env);
    await worker.line(/^\{.*\}$/, 60_000);
    return worker;
  };
  const workers = await Promise.all([start("openai/*", "researcher"), start("anthropic/*", "writer")]);
  await using _researcher = workers[0];
  await using _writer = workers[1];
  const run = async (traceparent?: string): Promise<string> => {
    const told = await cli.run(["run", ...TASK, "--json"], { TRACEPARENT: traceparent });
    const { id, status }: { id: string; status: string } = JSON.parse(told.stdout);
    expect(status).toBe("succeeded");
    return id;
  };
  const [plain, sampled, silent] = await Promise.all([
    run(),
    run(`00-${TRACE}-${SPAN}-01`),
    run(`00-${TRACE}-${SPAN}-00`),
  ]);
  ids = { plain, sampled, silent };
  for (const worker of workers) {
    worker.signal("SIGTERM");
    expect(await worker.end(30_000)).toEqual({ code: 0, signal: null });
  }
}, 120_000);
afterAll(async () => receiver[Symbol.asyncDispose]());

const spansOf = (id: string) =>
  receiver.spans.filter(({ attributes }) => attributes["gen_ai.conversation.id"] === id);

const named = (spans: readonly ReceivedSpan[], operation: string) =>
  spans.filter(({ attributes }) => attributes["gen_ai.operation.name"] === operation);

test("a run over two worker processes is one trace: run, phases, model calls and tool calls under one another", () => {
  const spans = spansOf(ids.plain);
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
  for (const span of spans) {
    expect(span.endTimeUnixNano).toBeGreaterThanOrEqual(span.startTimeUnixNano);
    expect(span.status.code).not.toBe(2);
  }

  const [run, ...others] = named(spans, "invoke_workflow");
  expect(others).toEqual([]);
  expect(run).toMatchObject({ parentSpanId: "", kind: SPAN_KIND.internal });
  expect(run?.attributes).toMatchObject({ "baton.status": "succeeded" });

  const phases = named(spans, "invoke_agent").sort((a, b) =>
    Number(a.startTimeUnixNano - b.startTimeUnixNano),
  );
  expect(
    phases.map((phase) => [phase.name, phase.resource["service.name"], phase.attributes["baton.outcome"]]),
  ).toEqual([
    ["invoke_agent gpt-5.2", "researcher", "handoff"],
    ["invoke_agent claude-opus-4-5", "writer", "succeed"],
  ]);
  const [first, second] = phases;
  for (const phase of phases) expect(phase.parentSpanId).toBe(run?.spanId);
  expect(first?.links).toEqual([]);
  expect(second?.links).toEqual([{ traceId: run?.traceId, spanId: first?.spanId }]);

  const calls = named(spans, "chat");
  expect(calls.filter((call) => call.parentSpanId === first?.spanId).length).toBeGreaterThan(1);
  expect(calls.filter((call) => call.parentSpanId === second?.spanId).length).toBeGreaterThan(0);
  for (const call of calls) {
    expect(call.kind).toBe(SPAN_KIND.client);
    expect([first?.spanId, second?.spanId]).toContain(call.parentSpanId);
    expect(call.attributes["gen_ai.usage.input_tokens"]).toBeGreaterThan(0);
    expect(call.attributes["gen_ai.usage.output_tokens"]).toBeGreaterThan(0);
    expect(call.attributes["gen_ai.response.time_to_first_chunk"]).toBeGreaterThanOrEqual(0);
  }
  const last = calls.find((call) => call.parentSpanId === second?.spanId);
  expect(last).toMatchObject({ name: "chat claude-opus-4-5" });
  expect(last?.attributes).toMatchObject({
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-opus-4-5",
    "gen_ai.response.model": "claude-opus-4-5",
    "gen_ai.response.finish_reasons": ["end"],
  });

  const tools = named(spans, "execute_tool");
  expect(new Set(tools.map((tool) => tool.attributes["gen_ai.tool.name"]))).toEqual(
    new Set(["search_documents", "read_document"]),
  );
  for (const tool of tools) {
    expect(tool).toMatchObject({ parentSpanId: first?.spanId, kind: SPAN_KIND.internal });
    expect(tool.attributes["gen_ai.tool.call.id"]).toBeTruthy();
  }
});

test("what was said is on no span", () => {
  const sent = receiver.bodies.join("\n");
  expect(sent).toContain("search_documents");
  expect(sent).not.toContain("tidal");
  expect(sent).not.toContain("essay");
});

test("a run joins the trace of who submitted it, under its span; one that it did not sample is left out", () => {
  const spans = spansOf(ids.sampled);
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
  const [run] = named(spans, "invoke_workflow");
  expect(run).toMatchObject({ parentSpanId: SPAN });
  const phases = named(spans, "invoke_agent");
  expect(phases).toHaveLength(2);
  for (const phase of phases) expect(phase.parentSpanId).toBe(run?.spanId);

  expect(spansOf(ids.silent)).toEqual([]);
  expect(receiver.spans).toHaveLength(spans.length + spansOf(ids.plain).length);
});
