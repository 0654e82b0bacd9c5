/**
 * The meters of an API process as Prometheus text: what it answered, what it is answering, the state of the whole store,
 * and Node's own (event loop lag, memory). Labels have few values: a route is its pattern, never a path.
 */
import { createFleetReader, defineFleetGauges, type FleetSource } from "@baton/worker-app/fleet";
import type { FastifyReply } from "fastify";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { ApiApp } from "../api-context.ts";

export interface ApiMetrics {
  readonly contentType: string;
  readonly text: () => Promise<string>;
}

/** From a cached look to the longest wait. */
const ANSWER_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
/** A request that no route takes. */
const NO_ROUTE = "none";

/** Counts what `app` answers from now on: to be called before routes are added. */
export function meterApi(
  app: ApiApp,
  {
    store,
    clock,
  }: { readonly store: FleetSource /** Milliseconds that only rise. */; readonly clock: () => number },
): ApiMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauges = defineFleetGauges(registry);
  const fleet = createFleetReader(store, clock);
  countAnswers(app, registry);
  return {
    contentType: registry.contentType,
    text: async () => {
      gauges.show(await fleet.read());
      return registry.metrics();
    },
  };
}

function countAnswers(app: ApiApp, registry: Registry): void {
  const registers = [registry];
  const open = new Set<FastifyReply>();
  // Those that are sent as a whole: what streams has no duration that tells anything.
  const whole = new WeakSet<FastifyReply>();
  const requests = new Counter({
    name: "baton_api_requests_total",
    help: "Requests that were answered, by route and class of the status.",
    labelNames: ["method", "route", "status"],
    registers,
  });
  const seconds = new Histogram({
    name: "baton_api_request_duration_seconds",
    help: "From a request to the end of its answer, the time of ?wait included; event streams left out.",
    labelNames: ["method", "route"],
    buckets: ANSWER_BUCKETS_S,
    registers,
  });
  new Gauge({
    name: "baton_api_requests_open",
    help: "Requests that are not answered yet, or not to the end.",
    registers,
    collect() {
      this.set(open.size);
    },
  });
  new Gauge({
    name: "baton_api_streams_open",
    help: "Those of them whose answer is on its way: event streams, results of batches.",
    registers,
    collect() {
      this.set([...open].filter((reply) => reply.sent).length);
    },
  });
  app.addHook("onRequest", async (_request, reply) => {
    open.add(reply);
    reply.raw.once("close", () => open.delete(reply));
  });
  app.addHook("onSend", async (_request, reply) => {
    whole.add(reply);
  });
  app.addHook("onResponse", async ({ method, routeOptions }, reply) => {
    const labels = { method, route: routeOptions.url ?? NO_ROUTE };
    requests.inc({ ...labels, status: `${Math.floor(reply.statusCode / 100)}xx` });
    if (whole.has(reply)) seconds.observe(labels, reply.elapsedTime / 1_000);
  });
}
