/** `GET /v1/runs` with runs in every status, on a real Redis and through a real worker. */
import { BatonError } from "@baton/core";
import { describe, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { call, text } from "../../../../test/support/scripted-model.ts";
import { until } from "../../../../test/support/until.ts";
import { scopedRuns } from "../access/scoped-runs.ts";
import { type ApiRig, openApiRig } from "../testing/api-rig.ts";

const redis = useRedis();
const GPT = "openai/gpt-5.2";
const CLAUDE = "anthropic/claude-opus-4-5";
/** Nobody serves it. */
const GROK = "xai/grok-4-1";
const tools = [{ type: "function", function: { name: "mine" } }];

interface World extends AsyncDisposable {
  readonly api: ApiRig;
  /** Names of the runs, the newest first. */
  readonly newest: readonly string[];
  readonly ids: Readonly<Record<string, string>>;
  /** Names of the runs of a list, all pages of it. */
  list(query: string): Promise<readonly (string | undefined)[]>;
}

/** Runs in every status; one of them is at work until the end. */
async function openWorld(): Promise<World> {
  const end = Promise.withResolvers<void>();
  const api = await openApiRig(redis.url, {
    async script({ items }) {
      const [first] = items[0]?.parts ?? [];
      const input = first?.type === "text" ? first.text : "";
      if (input === "hold") await end.promise;
      if (input === "fail") throw new BatonError("provider_rejected", "no");
      return { parts: [input === "ask" ? call("mine") : text("done")] };
    },
  });
  const ids: Record<string, string> = {};
  const submit = async (name: string, spec: object, query = ""): Promise<void> => {
    const { body } = await api.call("POST", `/v1/runs${query}`, { input: "go", ...spec });
    ids[name] = body.id;
  };
  await submit("succeeded", { model: GPT, metadata: { team: "a", "x.y": "1" } }, "?wait=20");
  await submit("failed", { model: GPT, input: "fail" }, "?wait=20");
  await submit("cancelled", { model: GROK });
  await api.call("POST", `/v1/runs/${ids.cancelled}/cancel`);
  await submit("asking", { model: CLAUDE, input: "ask", tools, metadata: { team: "b" } }, "?wait=20");
  await submit("paused", { model: GROK, metadata: { team: "a" } });
  await api.call("POST", `/v1/runs/${ids.paused}/pause`);
  await submit("running", { model: GPT, input: "hold" }, "?batch=night&custom_id=1");
  await until(async () => (await api.call("GET", `/v1/runs/${ids.running}`)).body.status === "running", {
    what: "the run to begin",
  });
  await submit("queued", { model: GROK }, "?batch=night&custom_id=2");
  const nameOf = (id: string) => Object.keys(ids).find((name) => ids[name] === id);
  return {
    api,
    ids,
    newest: Object.keys(ids).reverse(),
    async list(query) {
      const found: (string | undefined)[] = [];
      let cursor = "";
      do {
        const { body } = await api.call("GET", `/v1/runs?${query}${cursor}`);
        found.push(...body.data.map((run: { id: string }) => nameOf(run.id)));
        cursor = body.next_cursor === null ? "" : `&cursor=${body.next_cursor}`;
      } while (cursor !== "");
      return found;
    },
    async [Symbol.asyncDispose]() {
      end.resolve();
      await api[Symbol.asyncDispose]();
    },
  };
}

/** Queries and the runs that they find, the newest first. */
const FOUND: Readonly<Record<string, readonly string[]>> = {
  "": ["queued", "running", "paused", "asking", "cancelled", "failed", "succeeded"],
  "status=queued": ["queued"],
  "status=running": ["running"],
  "status=waiting": ["paused", "asking"],
  "status=succeeded": ["succeeded"],
  "status=cancelled": ["cancelled"],
  "reason=client_tools": ["asking"],
  "reason=paused&status=waiting": ["paused"],
  "error=provider_rejected": ["failed"],
  "error=budget": [],
  [`model=${GROK}`]: ["queued", "paused", "cancelled"],
  "model=anthropic/*": ["asking"],
  "batch=night": ["queued", "running"],
  "batch=night&status=running": ["running"],
  "batch=night&status=queued": ["queued"],
  "batch=night&status=failed": [],
  "batch=none": [],
  "metadata.team=a": ["paused", "succeeded"],
  "metadata.team=a&metadata.x.y=1": ["succeeded"],
  "metadata%5Bteam%5D=a&metadata[x.y]=1": ["succeeded"],
  "metadata.team=c": [],
};

describe("a list of runs", () => {
  test.each([1, 2, 200])("has what its query says, newest first, by pages of %d", async (limit) => {
    await using world = await openWorld();
    const found: Record<string, unknown> = {};
    for (const query of Object.keys(FOUND)) found[query] = await world.list(`limit=${limit}&${query}`);
    expect(found).toEqual(FOUND);
  });

  test("goes on behind its cursor though the runs there moved and newer ones came", async () => {
    await using world = await openWorld();
    const { api, ids } = world;
    const first = (await api.call("GET", "/v1/runs?limit=3")).body;
    await api.call("POST", "/v1/runs", { input: "go", model: GROK });
    for (const name of ["queued", "running", "paused", "asking"]) {
      expect((await api.call("POST", `/v1/runs/${ids[name]}/cancel`)).status).toBe(200);
    }
    const rest = (await api.call("GET", `/v1/runs?cursor=${first.next_cursor}`)).body;
    const both = [...first.data, ...rest.data].map((run: { id: string }) => run.id);
    expect(both).toEqual(world.newest.map((name) => ids[name]));
    expect(rest.next_cursor).toBeNull();
  });

  test("of a namespace has its own runs alone, also where another one has a batch of the same name", async () => {
    await using api = await openApiRig(redis.url);
    const mine = scopedRuns(api.producer, { namespace: "mine" });
    const other = scopedRuns(api.producer, { namespace: "other" });
    const spec = { input: "go", model: GROK };
    const own: string[] = [];
    for (const customId of ["1", "2", "3"]) {
      own.unshift((await mine.submit(spec, { batch: { id: "night", customId } })).runId);
      await other.submit(spec, { batch: { id: "night", customId } });
      await api.producer.submit(spec);
    }
    for (const batch of [undefined, "night"]) {
      const found: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await mine.page({ batch, status: "queued", limit: 2, cursor });
        expect(page.runs.every((run) => run.batch === "night")).toBe(true);
        found.push(...page.runs.map(({ id }) => id));
        cursor = page.cursor;
      } while (cursor !== undefined);
      expect(found).toEqual(own);
    }
    expect((await api.call("GET", "/v1/runs")).body.data).toHaveLength(9);
  });

  test("whose query is wrong is refused, and told which field", async () => {
    await using api = await openApiRig(redis.url);
    const wrong = {
      "cursor=zzz": "cursor",
      "status=done": "status",
      "limit=0": "limit",
      "limit=201": "limit",
      "stauts=failed": "stauts",
      "reason=paused&status=failed": "reason",
      "error=budget&status=waiting": "error",
      "status=failed&status=queued": "status",
    };
    const told: Record<string, unknown> = {};
    for (const query of Object.keys(wrong)) {
      const { status, body } = await api.call("GET", `/v1/runs?${query}`);
      expect({ query, status, code: body.error.code }).toEqual({ query, status: 400, code: "invalid_spec" });
      told[query] = body.error.field;
    }
    expect(told).toEqual(wrong);
  });
});
