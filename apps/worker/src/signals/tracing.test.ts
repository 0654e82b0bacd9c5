import { pino } from "pino";
import { expect, test } from "vitest";
import { areTracesWanted, openTracing } from "./tracing.ts";

test.each([
  [false, "nothing is set", {}],
  [true, "there is an endpoint", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://x" }],
  [true, "there is an endpoint for traces", { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://x" }],
  [true, "the exporter is named", { OTEL_TRACES_EXPORTER: "otlp" }],
  [false, "the exporter is none", { OTEL_TRACES_EXPORTER: "none", OTEL_EXPORTER_OTLP_ENDPOINT: "http://x" }],
  [false, "the SDK is disabled", { OTEL_SDK_DISABLED: "true", OTEL_EXPORTER_OTLP_ENDPOINT: "http://x" }],
  [false, "the endpoint is empty", { OTEL_EXPORTER_OTLP_ENDPOINT: "" }],
])("traces are wanted: %s, when %s", (wanted, _when, variables) => {
  expect(areTracesWanted(variables)).toBe(wanted);
});

test.each([
  ["an exporter that is not there", { OTEL_TRACES_EXPORTER: "zipkin" }, /OTEL_TRACES_EXPORTER is zipkin/],
  [
    "a protocol that is not spoken",
    { OTEL_EXPORTER_OTLP_ENDPOINT: "http://x", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
    /OTEL_EXPORTER_OTLP_PROTOCOL is grpc/,
  ],
])("%s is said, and none are sent", async (_what, variables, said) => {
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => lines.push(line) });
  const tracing = await openTracing({ variables, log, now: Date.now, version: "1", instanceId: "me" });
  expect(tracing).toBeUndefined();
  expect(lines.join("")).toMatch(said);
});
