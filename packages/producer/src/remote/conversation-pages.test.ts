/** A conversation through the API, page by page, whatever a page ends with. */
import { wireItem } from "@baton/core";
import { expect, test } from "vitest";
import { RUN_ID } from "./testing/run-views.ts";
import { drop, json, openServer } from "./testing/scripted-server.ts";

const item = (seq: number) =>
  wireItem({ v: 1, seq, at: 1, epoch: 1, phase: 0, role: "user", parts: [{ type: "text", text: "hi" }] });

test("it goes on behind pages that are shorter than was asked for, and no further than was asked for", async () => {
  await using server = await openServer((_asked, response, place) =>
    json(response, 200, {
      data: place === 0 ? [item(3)] : [item(4), item(5)],
      next_from: place === 0 ? 4 : 6,
    }),
  );
  const remote = await server.connect();
  const seen = await remote.conversation(RUN_ID, 3, 5);
  expect(seen.map(({ seq }) => seq)).toEqual([3, 4, 5]);
  expect(server.asked.map(({ url }) => url.split("?")[1])).toEqual(["from=3&limit=3", "from=4&limit=2"]);
});

test("it ends at a page that leads to itself, as that of a damaged run once did", async () => {
  await using server = await openServer((_asked, response, place) => {
    if (place > 9) return drop(response);
    json(response, 200, { data: place === 0 ? [item(0)] : [], next_from: 1 });
  });
  const remote = await server.connect({ patienceMs: 1 });
  expect(await remote.conversation(RUN_ID)).toHaveLength(1);
  expect(server.asked).toHaveLength(2);
});
