import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { preparePlace } from "./place.ts";

async function refusal(dataDir: string) {
  return await preparePlace(dataDir, {}).then(
    () => undefined,
    ({ code, message }) => ({ code, message }),
  );
}

test("a data folder that cannot be made is refused with what to do", async () => {
  const folder = await tempFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const file = join(folder.path, "file");
  await writeFile(file, "");
  expect(await refusal(join(file, "data"))).toEqual({
    code: "invalid_config",
    message: expect.stringMatching(/\(ENOTDIR\): set BATON_DATA_DIR/),
  });
});

test.runIf(process.platform === "linux")("where none can ever be made, it says so", async () => {
  expect(await refusal("/proc/nothing")).toMatchObject({ code: "invalid_config" });
});
