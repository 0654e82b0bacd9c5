/** An API, a worker with scripted models, and the store between them, on a test's Redis. */
import type { ConfigInput, ToolHost } from "@baton/core";
import { Producer } from "@baton/producer";
import { type Cipher, type ConnectedStore, connectStore } from "@baton/store";
import { pino } from "pino";
import { type Script, type ScriptedModels, scriptedModels } from "../../../../test/support/scripted-model.ts";
import { noTools, openRig, type Rig, systemIds } from "../../../../test/support/worker-rig.ts";
import { type ApiOptions, type RunningApi, startApi } from "../start-api.ts";

export interface ApiRig extends AsyncDisposable {
  readonly url: string;
  readonly rig: Rig;
  readonly models: ScriptedModels;
  readonly producer: Producer;
  /** The API's. */
  readonly store: ConnectedStore;
  /** Calls the API; the body is JSON. */
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Answer>;
  /** Stops the API and starts another one at the same port. */
  restart(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape, and assert what they find.
  readonly body: any;
}

export interface ApiRigOptions {
  readonly script?: Script;
  readonly config?: ConfigInput;
  readonly patterns?: readonly string[];
  readonly tools?: ToolHost;
  readonly api?: Partial<ApiOptions>;
  /** Absent: all lies in clear. */
  readonly cipher?: Cipher;
}

export async function openApiRig(redisUrl: string, options: ApiRigOptions = {}): Promise<ApiRig> {
  const { script = () => ({ parts: [{ type: "text", text: "Hello." }] }), config = {}, cipher } = options;
  const rig = await openRig(redisUrl, config, 1, cipher);
  const models = scriptedModels(script);
  await rig.startWorker({
    adapters: models.adapters,
    patterns: options.patterns ?? ["openai/*", "anthropic/*"],
    tools: options.tools ?? noTools,
  });
  const store = await connectStore({ url: redisUrl, retentionMs: 0, onError: () => undefined, cipher });
  const producer = new Producer({ ...store, ids: systemIds });
  const start = (port: number): Promise<RunningApi> =>
    startApi({
      store,
      service: producer,
      config: rig.config,
      log: pino({ level: process.env.BATON_TEST_LOG ?? "silent" }),
      version: "test",
      now: () => Date.now(),
      host: "127.0.0.1",
      checkAnswers: true,
      ...options.api,
      port,
    });
  let api = await start(0);
  const { url } = api;
  return {
    url,
    rig,
    models,
    producer,
    store,
    call: (method, path, body, headers) => callApi(url, method, path, body, headers),
    async restart() {
      await api.stop(1_000);
      api = await start(Number(new URL(url).port));
    },
    async [Symbol.asyncDispose]() {
      await api.stop(1_000);
      await rig[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

export async function callApi(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: jsonOf(text) };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
