/**
 * Each piece of TypeScript in README and docs passes the compiler, with the settings of this repository. A piece that
 * leaves out what stands above it on its page is given that; one of a configuration is put into one.
 */
import { execFile } from "node:child_process";
import { readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { ROOT, readPage } from "../support/doc-page.ts";
import { tempFolder } from "../support/temp-folder.ts";

const CLIENTS = `import OpenAI from "openai";\nimport { Dedalus, DedalusRunner } from "dedalus-labs";\n`;

/** The piece as a module of its own. */
function moduleOf(piece: string): string {
  if (/^import /m.test(piece)) return piece;
  // Fields of a configuration.
  if (/^\w+: \{/.test(piece)) {
    return `import { defineConfig } from "@baton/core";\nexport const config = defineConfig({\n${piece}});\n`;
  }
  const isMade = /const openai = /.test(piece);
  return `${CLIENTS}${isMade ? "" : "declare const openai: OpenAI;\n"}${piece}\nexport type All = [Dedalus, DedalusRunner];\n`;
}

async function compile(pieces: readonly (readonly [name: string, text: string])[]): Promise<string> {
  await using folder = await tempFolder();
  await symlink(join(ROOT, "node_modules"), join(folder.path, "node_modules"));
  for (const [name, text] of pieces) await writeFile(join(folder.path, `${name}.mts`), text);
  const settings = {
    extends: join(ROOT, "tsconfig.json"),
    // Whoever copies a piece uses its names further down.
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false, noEmit: true, rootDir: "/" },
    include: ["*.mts"],
  };
  await writeFile(join(folder.path, "tsconfig.json"), JSON.stringify(settings));
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  return await promisify(execFile)(process.execPath, [tsc, "-p", folder.path], { cwd: folder.path }).then(
    () => "",
    (error: { readonly stdout?: string }) => error.stdout || String(error),
  );
}

test("each piece of TypeScript in README and docs passes the compiler", async () => {
  const names = (await readdir(join(ROOT, "docs"))).filter((name) => name.endsWith(".md"));
  const pages = await Promise.all(["README.md", ...names.map((name) => `docs/${name}`)].map(readPage));
  const pieces = pages.flatMap((page, at) =>
    page.blocksIn("ts").map((piece, place) => {
      const name = ["README.md", ...names][at]?.replace(".md", "") ?? "";
      return [`${name}-${place}`, moduleOf(piece)] as const;
    }),
  );
  expect(pieces.length).toBeGreaterThan(5);
  expect(await compile(pieces)).toBe("");
}, 120_000);

test("a piece that is wrong does not", async () => {
  const wrong = moduleOf('providers: { a: { api: "soap" } },\n');
  expect(await compile([["wrong", wrong]])).toMatch(/wrong\.mts\(3,\d+\): error TS2322/);
}, 120_000);
