import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { loadConfig } from "./load-config.ts";

test("a file that is not JSON is named, and nothing of it is quoted: it may hold a secret (R9)", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "baton.config.json");
  await writeFile(
    path,
    '{"mcpServers": {"a": {"url": "https://x", "headers": {"Authorization": s3cret-value }}}}',
  );
  const error: unknown = await loadConfig(undefined, folder.path).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: "invalid_config",
    message: expect.stringContaining("is not valid JSON"),
  });
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/s3c/);
});

test("a module that exports no configuration is told what to write, and each of two ways to export one is taken", async () => {
  await using folder = await tempFolder();
  const write = async (name: string, text: string) => {
    await writeFile(join(folder.path, name), text);
    return loadConfig(name, folder.path);
  };
  await expect(write("none.mjs", "export const cfg = {};")).rejects.toMatchObject({
    code: "invalid_config",
    message: expect.stringMatching(/none\.mjs exports no config: write `export const config = …`$/),
  });
  const named = await write("named.mjs", "export const config = { limits: { maxTurns: 3 } };");
  expect(named.limits.maxTurns).toBe(3);
  const byDefault = await write("default.mjs", "export default { limits: { maxTurns: 4 } };");
  expect(byDefault.limits.maxTurns).toBe(4);
});
