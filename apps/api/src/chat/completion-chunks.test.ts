import { modelIdSchema, NO_USAGE, parseRunSpec, runSchema } from "@baton/core";
import { expect, test } from "vitest";
import { completionChunks } from "./completion-chunks.ts";

const model = modelIdSchema.parse("openai/gpt-5.2");
const spec = parseRunSpec({ input: "?", model });
const run = runSchema.parse({
  ...{ id: `r_0_${"0".repeat(26)}`, status: "running", pausing: false, model, ticket: 1, epoch: 1, items: 1 },
  ...{ turns: 0, handoffs: 0, takeovers: 0, createdAt: 0, updatedAt: 0, usage: NO_USAGE, phases: [] },
});

test("a stream that ends because the API stops does not read the conversation, which has no answer yet", async () => {
  const stopping = new AbortController();
  const chunks = completionChunks(
    {
      get: async () => ({ run, spec }),
      async *watch() {
        yield {
          id: "0-0",
          event: { type: "snapshot", epoch: 1, phase: 0, run, items: [], partialText: "So" },
        };
        stopping.abort();
      },
      conversation: () => Promise.reject(new Error("nobody needs it")),
    },
    run.id,
    {
      ...{ waitMs: 60_000, isServed: async () => true },
      ...{ whole: false, includeUsage: false },
    },
    stopping.signal,
  );
  const read = async () => {
    for await (const { choices } of chunks) texts.push(choices[0]?.delta.content ?? "");
  };
  const texts: string[] = [];
  await expect(read()).rejects.toMatchObject({ status: 503, code: "shutting_down", runId: run.id });
  expect(texts).toEqual(["", "So"]);
});
