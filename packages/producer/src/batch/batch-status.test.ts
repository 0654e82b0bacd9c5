import { expect, test } from "vitest";
import { listBatches, readBatchStatus, type StatusSource } from "./batch-status.ts";

const COUNTS = { queued: 0, running: 0, waiting: 0, succeeded: 1, failed: 0, cancelled: 0, admission: 0 };

/** Batches `b1`, `b2`, … that were opened at 1, 2, …; `atPage` is told of each page before it is read. */
function store(newest: number, atPage: (page: number, all: Set<number>) => void): StatusSource {
  const all = new Set(Array.from({ length: newest }, (_, place) => place + 1));
  let pages = 0;
  return {
    batches: async ({ from, limit, before }) => {
      pages += 1;
      atPage(pages, all);
      const listed = [...all].filter((at) => before === undefined || at < before.at).sort((a, b) => b - a);
      return listed.slice(from, from + limit).map((at) => `b${at}`);
    },
    batch: async (id) => ({
      ...{ id, createdAt: Number(id.slice(1)), lines: 1, isOpen: false, weight: 1, runAt: undefined },
      ...{ tokens: 1, costUsd: 0, unpricedReplies: 0, budget: {}, isSpent: false },
    }),
    countBatch: async () => COUNTS,
    batchPools: async () => new Map(),
  };
}

async function idsOf(source: StatusSource): Promise<readonly number[]> {
  const statuses = await Array.fromAsync(listBatches(source, {}));
  return statuses.map(({ id }) => Number(id.slice(1)));
}

test("a batch that is opened while batches are listed makes no other one come twice", async () => {
  const ids = await idsOf(store(120, (page, all) => page > 1 && all.add(120 + page)));
  expect(ids).toEqual(Array.from({ length: 120 }, (_, place) => 120 - place));
});

test("a batch that goes while batches are listed hides no other one", async () => {
  const ids = await idsOf(store(120, (page, all) => page === 2 && all.delete(110)));
  expect(ids).toEqual(Array.from({ length: 120 }, (_, place) => 120 - place));
});

test("a batch that is sealed while it is looked at is not over before its runs were counted", async () => {
  // A run that is queued comes in, and then the batch is sealed, behind each question and before its answer.
  let isSealed = false;
  const source = store(1, () => undefined);
  const status = await readBatchStatus(
    {
      ...source,
      async batch(id) {
        const batch = await source.batch(id);
        await Promise.resolve();
        isSealed = true;
        return batch;
      },
      countBatch: async () => ({ ...COUNTS, queued: isSealed ? 1 : 0 }),
    },
    "b1",
  );
  expect(status).toMatchObject({ isOver: false, total: 2 });
});
