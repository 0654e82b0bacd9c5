/** What tests of `/v1/responses` share: an API with a server of tools, the npm client of OpenAI, and looks into answers. */
import {
  type ConfigInput,
  type ModelRequest,
  type RunId,
  runIdSchema,
  type ToolHost,
  textOf,
} from "@baton/core";
import OpenAI from "openai";
import type {
  Response,
  ResponseCreateParamsNonStreaming,
  ResponseFunctionToolCall,
  ResponseStreamEvent,
} from "openai/resources/responses/responses";
import { afterAll, beforeAll } from "vitest";
import { type ApiRig, openApiRig } from "../../apps/api/src/testing/api-rig.ts";
import { useRedis } from "./redis.ts";
import { call, type Script, text } from "./scripted-model.ts";

interface ResponsesRig extends AsyncDisposable {
  readonly api: ApiRig;
  readonly client: OpenAI;
  /** That the client sent, its retries among them. */
  readonly requests: number;
}

export interface ResponsesInUse extends Omit<ResponsesRig, typeof Symbol.asyncDispose> {
  script: Script;
}

/** Has one tool, which always gives "three books". */
const library: ToolHost = {
  list: async () => ({
    tools: [
      {
        ...{ name: "search", description: "", inputSchema: { type: "object" } },
        ...{ readOnly: true, idempotent: true, approval: false },
        origin: { kind: "mcp", server: "library", tool: "search" },
      },
    ],
    problems: [],
  }),
  call: async () => ({ isError: false, content: [{ type: "text", text: "three books" }] }),
  close: async () => undefined,
};

/** What a file of tests needs: `rig.script` is what the model does, and each test sets its own. `config`: beside the server. */
export function useResponses(config: ConfigInput = {}): ResponsesInUse {
  const redis = useRedis();
  let rig: ResponsesRig | undefined;
  const opened = () => {
    if (rig === undefined) throw new Error("the API is there while tests run");
    return rig;
  };
  const inUse: ResponsesInUse = {
    script: () => {
      throw new Error("the test gave no script");
    },
    get api() {
      return opened().api;
    },
    get client() {
      return opened().client;
    },
    get requests() {
      return opened().requests;
    },
  };
  beforeAll(async () => {
    rig = await openResponses(redis.url, config, (...args) => inUse.script(...args));
  });
  afterAll(async () => rig?.[Symbol.asyncDispose]());
  return inUse;
}

/** A script that waits for its test is ended with the rig, so that a test which failed holds up no end. */
async function openResponses(redisUrl: string, config: ConfigInput, script: Script): Promise<ResponsesRig> {
  const over = Promise.withResolvers<never>();
  over.promise.catch(() => undefined);
  const api = await openApiRig(redisUrl, {
    script: (...args) => Promise.race([script(...args), over.promise]),
    tools: library,
    config: { ...config, mcpServers: { library: { command: "unused" } } },
  });
  let requests = 0;
  const client = new OpenAI({
    baseURL: `${api.url}/v1`,
    apiKey: "any",
    fetch: (...args) => {
      requests += 1;
      return fetch(...args);
    },
  });
  return {
    api,
    client,
    get requests() {
      return requests;
    },
    async [Symbol.asyncDispose]() {
      over.reject(new Error("the test is over"));
      await api[Symbol.asyncDispose]();
    },
  };
}

/** A function of the caller's. */
export const weather = {
  type: "function" as const,
  name: "weather",
  description: "The weather in a city.",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  strict: false,
};

/** The first model searches and hands off, the second one writes. */
export const researchThenWrite: Script = ({ items, tools }) => {
  const results = items.flatMap(({ parts }) => parts).filter((part) => part.type === "tool_result");
  if (results.length === 0) {
    return { parts: [text("Let me search."), call("search", { q: "books" }, "call_s")] };
  }
  const transfer = tools.find(({ name }) => name.startsWith("transfer_to_anthropic"));
  if (transfer === undefined || results.length > 1) return { parts: [text("An essay on books.")] };
  return { parts: [call(transfer.name, { reason: "It writes well.", brief: "Write it." }, "call_t")] };
};

export async function eventsOf(
  client: OpenAI,
  body: ResponseCreateParamsNonStreaming,
): Promise<ResponseStreamEvent[]> {
  return Array.fromAsync(await client.responses.create({ ...body, stream: true }));
}

export function lastRequest(api: ApiRig): ModelRequest {
  const last = api.models.calls.at(-1);
  if (last === undefined) throw new Error("no model was called");
  return last.request;
}

/** What the model was told that tools gave. */
export function toolResultsIn({ items }: ModelRequest): readonly string[] {
  return items.flatMap(({ parts }) =>
    parts.flatMap((part) => (part.type === "tool_result" ? [textOf({ parts: part.content })] : [])),
  );
}

export function callIn({ output }: Response): ResponseFunctionToolCall {
  const made = output.find((item) => item.type === "function_call");
  if (made === undefined) throw new Error(`no call in ${JSON.stringify(output)}`);
  return made;
}

export function runOf(responseId: string): RunId {
  return runIdSchema.parse(responseId.replace("resp_", ""));
}

export async function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("error" in outcome) return outcome.error;
  throw new Error(`nothing was thrown, but answered: ${JSON.stringify(outcome.value)}`);
}
