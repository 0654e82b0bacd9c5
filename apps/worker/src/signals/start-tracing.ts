/** The SDK of OpenTelemetry, wired: loaded by `openTracing` alone, when traces are wanted. */
import { DiagLogLevel, diag } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  RandomIdGenerator,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { Logger } from "pino";
import { tracerSignals } from "./phase-tracer.ts";
import { runSampler } from "./sampler.ts";
import type { Tracing, TracingOptions } from "./tracing.ts";

/** Spans that wait to be sent; past it they are dropped, and the SDK says so. */
const WAITING_MAX = 16_384;
const CLOSE_MS_MAX = 5_000;
/** A receiver that is away is complained about once in so long. */
const COMPLAIN_EVERY_MS = 60_000;
const COMPLAINT_CHARS_MAX = 300;

export function startTracing({ variables, log, now, version, instanceId }: TracingOptions): Tracing {
  diag.setLogger(complaintsTo(log, now), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const { isSampled, problem } = runSampler(variables);
  if (problem !== undefined) log.warn(problem);
  const own = { "service.name": "baton", "service.version": version, "service.instance.id": instanceId };
  const ids = namedIds();
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes(own))
      .merge(detectResources({ detectors: [envDetector] })),
    // Runs are sampled before a span is made of them.
    sampler: new AlwaysOnSampler(),
    idGenerator: ids,
    spanProcessors: [
      new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), maxQueueSize: WAITING_MAX }),
    ],
  });
  const tracer = provider.getTracer("baton", version);
  return {
    signals: tracerSignals({ tracer, nameNext: ids.nameNext, isSampled, now }),
    close: async () => {
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, CLOSE_MS_MAX);
      const sent = provider.shutdown().catch((error: unknown) => {
        log.warn({ err: error }, "the last spans could not be sent");
      });
      await Promise.race([sent, late]);
      clearTimeout(timer);
      diag.disable();
    },
  };
}

interface SpanIds {
  readonly traceId: string;
  readonly spanId: string;
}

/** Random ids, but for a span that was named just before it is started. */
function namedIds() {
  const random = new RandomIdGenerator();
  let next: SpanIds | undefined;
  let current: SpanIds | undefined;
  return {
    nameNext: (ids: SpanIds): void => {
      next = ids;
    },
    // The tracer asks for the span's id first, and then for a trace's id, if the span has no parent.
    generateSpanId: (): string => {
      current = next;
      next = undefined;
      return current?.spanId ?? random.generateSpanId();
    },
    generateTraceId: (): string => current?.traceId ?? random.generateTraceId(),
  };
}

/** What the SDK complains about, to the log: now and then, cut, and without what it hands along. */
function complaintsTo(log: Logger, now: () => number) {
  let toldAt = Number.NEGATIVE_INFINITY;
  const complain = (message: string): void => {
    if (now() - toldAt < COMPLAIN_EVERY_MS) return;
    toldAt = now();
    log.warn(
      { said: String(message).slice(0, COMPLAINT_CHARS_MAX) },
      "traces are not sent as they should be",
    );
  };
  const ignore = (): void => undefined;
  return { error: complain, warn: complain, info: ignore, debug: ignore, verbose: ignore };
}
