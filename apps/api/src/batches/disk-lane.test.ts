import { execFileSync } from "node:child_process";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempFolder } from "../../../../test/support/temp-folder.ts";
import { until } from "../../../../test/support/until.ts";
import { DiskLane, DiskSilence } from "./disk-lane.ts";

const SHORT_MS = 30;

test("one operation at a time, in their order, and each has its own outcome", async () => {
  const lane = new DiskLane();
  let [atWork, most] = [0, 0];
  const outcomes = await Promise.allSettled(
    [1, 2, 3].map((value) =>
      lane.run(async () => {
        atWork += 1;
        most = Math.max(most, atWork);
        await Promise.resolve();
        atWork -= 1;
        if (value === 2) throw new Error("no");
        return value;
      }),
    ),
  );
  expect(outcomes.map((one) => (one.status === "fulfilled" ? one.value : String(one.reason)))).toEqual([
    1,
    "Error: no",
    3,
  ]);
  expect(most).toBe(1);
});

test("a disk that does not answer: who waits is told, nothing more is asked of it, and it comes back", async () => {
  const lane = new DiskLane(SHORT_MS);
  const disk = Promise.withResolvers<string>();
  const asked: string[] = [];
  const dropped: string[] = [];
  const first = lane.run(
    () => disk.promise,
    async (late) => {
      dropped.push(late);
    },
  );
  const second = lane.run(async () => asked.push("second"));
  const closed = lane.eventually(async () => asked.push("closed"));
  await expect(first).rejects.toThrow(DiskSilence);
  await expect(second).rejects.toThrow(DiskSilence);
  await closed;
  expect(lane.isSilent).toBe(true);
  await expect(lane.run(async () => asked.push("third"))).rejects.toThrow(DiskSilence);
  await lane.eventually(async () => asked.push("closed, too"));
  expect(asked).toEqual([]);
  disk.resolve("opened");
  await until(() => asked.length === 2, { what: "what was to happen eventually" });
  expect({ asked, dropped }).toEqual({ asked: ["closed", "closed, too"], dropped: ["opened"] });
  expect(lane.isSilent).toBe(false);
  expect(await lane.run(async () => "again")).toBe("again");
});

test.skipIf(process.platform === "win32")("a thread that the system holds is one alone", async () => {
  await using folder = await tempFolder();
  const pipe = join(folder.path, "pipe");
  execFileSync("mkfifo", [pipe]);
  const lane = new DiskLane(SHORT_MS);
  // More than Node has threads. To open a pipe waits for the other end, as a dead disk is waited for.
  const waiting = Array.from({ length: 8 }, () =>
    lane.run(
      () => open(pipe, "r"),
      (handle) => handle.close(),
    ),
  );
  expect((await Promise.allSettled(waiting)).every(({ status }) => status === "rejected")).toBe(true);
  const other = await open(join(folder.path, "file"), "w");
  await other.close();
  await (await open(pipe, "w")).close();
  await until(() => !lane.isSilent, { what: "the end of the wait" });
});
