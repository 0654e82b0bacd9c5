/**
 * Traces, by OTLP over HTTP. Nothing of OpenTelemetry is loaded before somebody asks for traces by the standard
 * variables; the exporter reads its own (endpoint, headers, timeout, compression) by itself.
 *
 * | variable                                       | meaning |
 * | ---------------------------------------------- | ------- |
 * | OTEL_EXPORTER_OTLP_ENDPOINT, …_TRACES_ENDPOINT | where to send; setting one turns traces on |
 * | OTEL_TRACES_EXPORTER                           | `otlp` turns them on too, `none` off |
 * | OTEL_SDK_DISABLED                              | `true` turns them off |
 * | OTEL_TRACES_SAMPLER, …_SAMPLER_ARG             | see sampler.ts |
 * | OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES    | who sends; the name is `baton` |
 */
import type { Signals } from "@baton/worker";
import type { Logger } from "pino";

type Variables = Readonly<Record<string, string | undefined>>;

export interface Tracing {
  readonly signals: Signals;
  /** Sends what is left, within a few seconds. */
  readonly close: () => Promise<void>;
}

export interface TracingOptions {
  readonly variables: Variables;
  readonly log: Logger;
  /** Wall clock, in milliseconds. */
  readonly now: () => number;
  readonly version: string;
  /** No other process has it. */
  readonly instanceId: string;
}

/** Undefined when no traces are asked for, or when what is asked for cannot be done, which the log says. */
export async function openTracing(options: TracingOptions): Promise<Tracing | undefined> {
  const { variables, log } = options;
  if (!areTracesWanted(variables)) return undefined;
  const problem = problemWith(variables);
  if (problem !== undefined) {
    log.warn(`no traces are sent: ${problem}`);
    return undefined;
  }
  const { startTracing } = await import("./start-tracing.ts");
  return startTracing(options);
}

export function areTracesWanted(variables: Variables): boolean {
  if (variables.OTEL_SDK_DISABLED?.toLowerCase() === "true") return false;
  const exporters = variables.OTEL_TRACES_EXPORTER?.trim();
  if (exporters) return exporters !== "none";
  return Boolean(variables.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || variables.OTEL_EXPORTER_OTLP_ENDPOINT);
}

function problemWith(variables: Variables): string | undefined {
  const exporters = variables.OTEL_TRACES_EXPORTER?.trim();
  if (exporters && !exporters.split(",").some((name) => name.trim() === "otlp")) {
    return `OTEL_TRACES_EXPORTER is ${exporters}: otlp is the one that is there`;
  }
  const protocol = variables.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || variables.OTEL_EXPORTER_OTLP_PROTOCOL;
  // A receiver of OTLP over HTTP takes JSON and protobuf on the same port.
  if (protocol && !protocol.startsWith("http/")) {
    return `OTEL_EXPORTER_OTLP_PROTOCOL is ${protocol}: use http/json, and the receiver's port for HTTP (4318)`;
  }
  return undefined;
}
