/**
 * The client that MCP's conformance suite drives: the tool host itself. The suite gives the URL of its server as
 * the last argument; the client lists the tools and calls each once with arguments made from its schema.
 */
import { createToolHost } from "../tool-host.ts";

const url = process.argv.at(-1) ?? "";
const selection = { servers: ["suite"], functions: [] };
const { signal } = new AbortController();

await using host = createToolHost({
  servers: { suite: { url, headers: {} } },
  functions: [],
  env: {},
  allowPrivateAddresses: false,
  limits: { toolTimeoutMs: 20_000, toolResultCharsMax: 10_000, connectTimeoutMs: 10_000 },
});

const { tools, problems } = await host.list(selection, signal);
for (const { message } of problems) fail(message);
for (const [index, { name, inputSchema }] of tools.entries()) {
  const callId = `call_${index}`;
  const outcome = await host.call(
    {
      name,
      selection,
      callId,
      runId: "r_0_conformance",
      idempotencyKey: `r_0_conformance/${callId}`,
      approved: false,
      arguments: argumentsFor(inputSchema.properties),
    },
    signal,
  );
  if (outcome.isError) fail(JSON.stringify(outcome.content));
}

function argumentsFor(properties: unknown): Record<string, unknown> {
  const schemas: readonly (readonly [string, unknown])[] = Object.entries(properties ?? {});
  return Object.fromEntries(schemas.map(([name, schema], index) => [name, valueFor(schema, index)]));
}

function valueFor(schema: unknown, index: number): unknown {
  const type = typeof schema === "object" && schema !== null && "type" in schema ? schema.type : undefined;
  if (type === "number" || type === "integer") return index + 2;
  return type === "boolean" ? true : `value ${index}`;
}

function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}
