import { type Run, type RunId, runIdSchema, runSchema } from "@baton/core";
import { expect, test } from "vitest";
import { pageRuns, type RunPageQuery } from "./page-runs.ts";

const idAt = (place: number): RunId =>
  runIdSchema.parse(`r_0_01J9ZC7Q8H2N3K4M5P6R${String(place).padStart(6, "0")}`);

function runAt(place: number, metadata: Record<string, string>): Run {
  const counts = { ticket: 1, epoch: 1, items: 1, turns: 0, handoffs: 0, takeovers: 0 };
  const usage = {
    inputTokens: 0,
    cachedInputTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: 0,
    reasoningTokens: 0,
  };
  return runSchema.parse({
    id: idAt(place),
    model: "openai/gpt-5.2",
    ...counts,
    createdAt: 1,
    updatedAt: 1,
    usage,
    phases: [],
    metadata,
    status: place % 2 === 0 ? "succeeded" : "cancelled",
    endedAt: 1,
  });
}

/** A ledger of `count` runs, of which each hundredth has `rare`. Tells how many were looked at. */
function ledgerOf(count: number, gone: ReadonlySet<number> = new Set()) {
  const all = Array.from({ length: count }, (_, place) => count - 1 - place);
  let looks = 0;
  const newest = async ({ before, limit }: { before?: RunId | undefined; limit: number }) => {
    const from = before === undefined ? 0 : all.findIndex((place) => idAt(place) < before);
    const rest = from < 0 ? [] : all.slice(from);
    return { ids: rest.slice(0, limit).map(idAt), hasMore: rest.length > limit };
  };
  return {
    newest,
    looks: () => looks,
    outline: async (id: RunId) => {
      looks += 1;
      const place = Number(id.slice(-6));
      if (gone.has(place)) return undefined;
      return runAt(place, place % 100 === 0 ? { rare: "yes" } : {});
    },
  };
}

async function pages(ledger: ReturnType<typeof ledgerOf>, query: Omit<RunPageQuery, "cursor">) {
  const found: { readonly ids: readonly RunId[]; readonly looks: number }[] = [];
  let cursor: string | undefined;
  do {
    const before = ledger.looks();
    const page = await pageRuns(ledger, { ...query, cursor });
    found.push({ ids: page.runs.map(({ id }) => id), looks: ledger.looks() - before });
    cursor = page.cursor;
  } while (cursor !== undefined);
  return found;
}

test.each([1, 7, 100, 200])("all runs come once, newest first, by pages of %d", async (limit) => {
  const found = await pages(ledgerOf(201), { limit });
  expect(found.flatMap(({ ids }) => ids)).toEqual(
    Array.from({ length: 201 }, (_, place) => idAt(200 - place)),
  );
  expect(found.slice(0, -1).every(({ ids }) => ids.length === limit)).toBe(true);
  expect(found.every(({ ids }) => ids.length > 0)).toBe(true);
});

test("a page of a rare kind looks at a bounded number of runs, and says where to go on", async () => {
  const found = await pages(ledgerOf(5_000), { limit: 50, metadata: { rare: "yes" } });
  expect(found.flatMap(({ ids }) => ids)).toHaveLength(50);
  expect(Math.max(...found.map(({ looks }) => looks))).toBeLessThanOrEqual(300);
  expect(found.length).toBeGreaterThan(1);
});

test("a page that is full in the middle of what was looked at goes on right behind its last run", async () => {
  const found = await pages(ledgerOf(1_000), { limit: 3, metadata: { rare: "yes" } });
  expect(found.flatMap(({ ids }) => ids)).toEqual([900, 800, 700, 600, 500, 400, 300, 200, 100, 0].map(idAt));
});

test("a run that is gone by the time it is read is left out, and ends no list", async () => {
  const found = await pages(ledgerOf(10, new Set([9, 5, 0])), { limit: 2 });
  expect(found.flatMap(({ ids }) => ids)).toEqual([8, 7, 6, 4, 3, 2, 1].map(idAt));
});

test.each(["x", "r_0_x", Buffer.from("r_0_x").toString("base64url")])(
  "what no page gave is no cursor: %s",
  async (cursor) => {
    await expect(pageRuns(ledgerOf(1), { limit: 1, cursor })).rejects.toMatchObject({
      code: "invalid_spec",
      fields: { field: "cursor" },
    });
  },
);
