/** An API with models that are told what to do, for tests of batches. */
import { BatonError, textOf } from "@baton/core";
import type { RunService } from "@baton/producer";
import { pino } from "pino";
import { text } from "../../../../test/support/scripted-model.ts";
import { tempFolder } from "../../../../test/support/temp-folder.ts";
import { until } from "../../../../test/support/until.ts";
import { type ApiOptions, type RunningApi, startApi } from "../start-api.ts";
import { type Answer, type ApiRig, openApiRig } from "./api-rig.ts";

export interface BatchRig extends AsyncDisposable {
  readonly api: ApiRig;
  /** Where uploads are kept. */
  readonly folder: string;
  /** Inputs at which the models fail. */
  readonly down: Set<string>;
  /** Inputs that are answered when they are let to. */
  readonly held: Map<string, PromiseWithResolvers<void>>;
  upload(query: string, file: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Waits until the batch is over. */
  ended(id: string): Promise<void>;
  /** The lines of its results. */
  results(id: string, query?: string): Promise<Lines>;
  /** Another API on the same store. */
  openApi(service: RunService, options?: Partial<ApiOptions>): Promise<RunningApi>;
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into lines of any shape, and assert what they find.
type Lines = readonly any[];

export async function openBatchRig(redisUrl: string): Promise<BatchRig> {
  const folder = await tempFolder();
  const down = new Set<string>();
  const held = new Map<string, PromiseWithResolvers<void>>();
  const api = await openApiRig(redisUrl, {
    async script({ items }) {
      const said = items[0] === undefined ? "" : textOf(items[0]);
      await held.get(said)?.promise;
      if (down.has(said)) throw new BatonError("provider_auth", `no key for ${said}`);
      return { parts: [text(`done: ${said}`)] };
    },
    patterns: ["openai/*"],
    config: { api: { batchBytesMax: 50_000, batchUploadsMax: 2 } },
    api: { uploadFolder: folder.path },
  });
  return {
    ...{ api, folder: folder.path, down, held },
    upload: (query, file, headers) => postBatch(api.url, query, file, headers),
    async ended(id) {
      await until(async () => (await api.call("GET", `/v1/batches/${id}`)).body.status === "ended", {
        what: `the end of ${id}`,
      });
    },
    async results(id, query = "") {
      return linesOf((await api.call("GET", `/v1/batches/${id}/results${query}`)).text);
    },
    openApi: (service, options) =>
      startApi({
        ...{ store: api.store, service, config: api.rig.config, log: pino({ level: "silent" }) },
        ...{ version: "test", now: () => Date.now(), host: "127.0.0.1", port: 0 },
        ...{ uploadFolder: folder.path, checkAnswers: true },
        ...options,
      }),
    async [Symbol.asyncDispose]() {
      for (const { resolve } of held.values()) resolve();
      await api[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

export async function postBatch(
  url: string,
  query: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(`${url}/v1/batches${query}`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson", ...headers },
    body,
  });
  const answer = await response.text();
  const isJson = response.headers.get("content-type")?.includes("application/json") === true;
  return {
    status: response.status,
    headers: response.headers,
    text: answer,
    body: isJson ? JSON.parse(answer) : undefined,
  };
}

/** A line of a batch file that names its input. */
export function line(customId: string, body: object = {}): string {
  return `${JSON.stringify({ custom_id: customId, body: { input: customId, model: "openai/gpt-5.2", ...body } })}\n`;
}

export function linesOf(answer: string): Lines {
  return answer
    .split("\n")
    .filter((one) => one !== "")
    .map((one) => JSON.parse(one));
}
