/** Uploads to an API whose folder for them cannot be made, or does not answer: told to the caller by a code, and to the operator in the log. */
import { execFileSync } from "node:child_process";
import { open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { useRedis } from "../../../../test/support/redis.ts";
import { type TempFolder, tempFolder } from "../../../../test/support/temp-folder.ts";
import { until } from "../../../../test/support/until.ts";
import { type BatchRig, line, openBatchRig, postBatch } from "../testing/batch-rig.ts";
import { DiskLane } from "./disk-lane.ts";

const redis = useRedis();
let folder: TempFolder;
let batches: BatchRig;
beforeAll(async () => {
  folder = await tempFolder();
  batches = await openBatchRig(redis.url);
});
afterAll(async () => {
  await batches[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function openApi(uploadFolder: string, uploadLane?: DiskLane) {
  let log = "";
  const destination = {
    write(text: string) {
      log += text;
    },
  };
  const api = await batches.openApi(batches.api.producer, {
    uploadFolder,
    uploadLane,
    log: pino({ level: "warn" }, destination),
  });
  return { api, lines: () => log.split("\n").filter((one) => one !== "") };
}

test("a file where the folder would be: each upload is refused with what it is, until it can be made", async () => {
  const file = join(folder.path, "file");
  await writeFile(file, "");
  const { api, lines } = await openApi(join(file, "data", "uploads"));
  try {
    expect(lines().map((one) => JSON.parse(one).msg)).toEqual(["no batch file can be uploaded to this API"]);
    const large = Array.from({ length: 400 }, (_, at) => line(`l${at}`)).join("");
    // More of them than there are places.
    for (const body of ["", line("a"), large]) {
      const { status, body: answer, text } = await postBatch(api.url, "?id=kept", body);
      expect({ status, code: answer.error.code }).toEqual({ status: 507, code: "no_room" });
      expect(text).toContain("ENOTDIR");
      expect(text, "no path").not.toContain(folder.path);
    }
    await until(() => lines().length === 4, { what: "a line for each" });
    for (const one of lines()) expect(one).toContain(`batch files are kept in ${file}`);
    await rm(file);
    expect(await postBatch(api.url, "?id=kept", line("a"))).toMatchObject({ status: 202 });
  } finally {
    await api.stop(1_000);
  }
});

test.runIf(process.platform === "linux")(
  "where no folder can ever be made, there is an answer, too",
  async () => {
    const { api } = await openApi("/proc/nothing/uploads");
    try {
      expect(await postBatch(api.url, "", line("a"))).toMatchObject({
        status: 507,
        body: { error: { code: "no_room" } },
      });
    } finally {
      await api.stop(1_000);
    }
  },
);

test.skipIf(process.platform === "win32")(
  "a disk that does not answer: uploads are refused within their time, all else goes on, and it comes back",
  async () => {
    const pipe = join(folder.path, "pipe");
    execFileSync("mkfifo", [pipe]);
    const lane = new DiskLane(100);
    const { api, lines } = await openApi(join(folder.path, "uploads"), lane);
    try {
      // To open a pipe waits for the other end, as a dead disk is waited for.
      const held = expect(
        lane.run(
          () => open(pipe, "r"),
          (handle) => handle.close(),
        ),
      ).rejects.toThrow("does not answer");
      const refused = { status: 507, body: { error: { code: "no_room" } } };
      // The first waits as long as it may, the second is refused at once.
      for (const id of ["waits", "comes"]) {
        const answer = await postBatch(api.url, `?id=${id}`, line("a"));
        expect(answer).toMatchObject(refused);
        expect(answer.text).toContain("ETIMEDOUT");
        expect((await fetch(`${api.url}/v1/batches/${id}`)).status).toBe(404);
      }
      await held;
      expect(api.isHeldByDisk).toBe(true);
      await until(() => lines().length === 2, { what: "a line for each" });
      for (const one of lines()) expect(one).toContain(`batch files are kept in ${folder.path}`);
      await (await open(pipe, "w")).close();
      await until(() => !api.isHeldByDisk, { what: "the disk" });
      expect(await postBatch(api.url, "?id=back", line("a"))).toMatchObject({ status: 202 });
    } finally {
      await api.stop(1_000);
    }
  },
);
