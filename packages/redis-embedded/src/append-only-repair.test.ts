import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { repairAppendOnlyFiles } from "./append-only-repair.ts";

function command(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
}

const SCRIPT = command("MULTI") + command("SET", "a", "1") + command("SET", "b", "2") + command("EXEC");
const HALF = SCRIPT.slice(0, -20);

/** A server's folder with these files, in their order; and what the repair makes of it. */
async function folderOf(...texts: readonly string[]) {
  const temporary = await tempFolder();
  onTestFinished(() => temporary[Symbol.asyncDispose]());
  const folder = temporary.path;
  await mkdir(join(folder, "appendonlydir"));
  const lines = [
    "file appendonly.aof.1.base.rdb seq 1 type b",
    "file appendonly.aof.0.incr.aof seq 0 type h",
  ];
  const paths: string[] = [];
  for (const [index, text] of texts.entries()) {
    const name = `appendonly.aof.${index + 1}.incr.aof`;
    paths.push(join(folder, "appendonlydir", name));
    await writeFile(join(folder, "appendonlydir", name), text);
    lines.push(`file ${name} seq ${index + 1} type i`);
  }
  await writeFile(join(folder, "appendonlydir", "appendonly.aof.manifest"), `${lines.join("\n")}\n`);
  const said: string[] = [];
  const repair = () => repairAppendOnlyFiles(folder, (line) => said.push(line), undefined);
  const contents = () => Promise.all(paths.map((path) => readFile(path, "latin1")));
  return { folder, paths, said, repair, contents };
}

test("a folder without files, and files that are missing, are left to Redis", async () => {
  const { folder, repair, paths } = await folderOf(SCRIPT);
  await repairAppendOnlyFiles(join(folder, "none"), () => undefined, undefined);
  await rm(paths[0] ?? "");
  await repair();
});

test("files that are whole are not written to", async () => {
  const { paths, said, repair, contents } = await folderOf(SCRIPT, SCRIPT + SCRIPT, "");
  const times = () => Promise.all(paths.map(async (path) => (await stat(path, { bigint: true })).mtimeNs));
  const before = await times();
  await repair();
  expect(await contents()).toEqual([SCRIPT, SCRIPT + SCRIPT, ""]);
  expect(await times()).toEqual(before);
  expect(said).toEqual([]);
});

test.each([
  ["half a script", HALF],
  ["a script that lacks its last byte", SCRIPT.slice(0, -1)],
  ["an open transaction of whole commands", SCRIPT.slice(0, -command("EXEC").length)],
  ["half a value, over many pieces", `*2\r\n$3\r\nGET\r\n$9000000\r\n${"x".repeat(3_000_000)}`],
  ["zeros that were never written over", "\0".repeat(5_000)],
  ["half a script and zeros", HALF + "\0".repeat(5_000)],
  ["half a value and zeros", `*1\r\n$100\r\nabc${"\0".repeat(50)}`],
])("an end that is %s is taken away and told", async (_, end) => {
  const { paths, said, repair, contents } = await folderOf(SCRIPT, SCRIPT + end);
  await repair();
  expect(await contents()).toEqual([SCRIPT, SCRIPT]);
  expect(said).toEqual([
    `The last write to ${paths[1]} was cut off by a crash; took away what is there of it, ${end.length} bytes`,
  ]);
});

test("a file that is cut before an empty one is repaired as the last one", async () => {
  const { repair, contents } = await folderOf(SCRIPT + HALF, "");
  await repair();
  expect(await contents()).toEqual([SCRIPT, ""]);
});

test.each([
  ["garbage between commands", [`${SCRIPT}XX\r\n${SCRIPT}`], /byte \d+ of \d+, no command begins here/],
  ["garbage at the end", [`${SCRIPT}XX`], /no command begins here/],
  ["zeros between commands", [`${SCRIPT}${"\0".repeat(4_096)}${SCRIPT}`], /no command begins here/],
  ["half a script with others behind it", [HALF + SCRIPT], /a number is expected/],
  ["half a script as earlier versions left it", [`${command("MULTI")}${SCRIPT}`], /inside of another/],
  ["a length that swallows the rest", [SCRIPT.replace("$1\r\na", "$9999\r\na") + SCRIPT], /swallowed/],
  ["a cut with a file behind it", [HALF, SCRIPT], /another file follows/],
  ["one damaged file beside one that is cut", [`XX${SCRIPT}`, HALF], /byte 0 of/],
])("%s is refused, and nothing is changed", async (_, texts, what) => {
  const { folder, said, repair, contents } = await folderOf(...texts);
  const refusal = await repair().catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: "redis_unfit", message: expect.stringMatching(what) });
  expect(String(refusal)).toContain(`the data in ${folder} is damaged`);
  expect(String(refusal)).toContain("redis-check-aof --fix");
  expect(await contents()).toEqual(texts);
  expect(said).toEqual([]);
});

test("the next command is found in what a value swallowed, across the pieces that are read", async () => {
  const filler = "x".repeat(1024 * 1024 - 30);
  for (let shift = 0; shift < 40; shift += 7) {
    const text = `*2\r\n$3\r\nGET\r\n$90000000\r\n${filler}${"y".repeat(shift)}\r\n${SCRIPT}`;
    const { repair, contents } = await folderOf(text);
    const at = text.indexOf("\r\n*1");
    await expect(repair()).rejects.toMatchObject({ message: expect.stringContaining(`byte ${at} of`) });
    expect(await contents()).toEqual([text]);
  }
});
