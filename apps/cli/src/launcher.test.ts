/** The launcher is run as a user runs it, in a tiny workspace of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { until } from "../../../test/support/until.ts";

const CLI = join(import.meta.dirname, "..");
const ROOT = join(CLI, "..", "..");

/** A workspace with the launcher, one script, and a lockfile that needs no download. */
async function workspace(script: string): Promise<string> {
  const folder = await tempFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const root = folder.path;
  await mkdir(join(root, "apps", "cli"), { recursive: true });
  await cp(join(CLI, "launch.cjs"), join(root, "apps", "cli", "launch.cjs"));
  await cp(join(CLI, "launcher"), join(root, "apps", "cli", "launcher"), { recursive: true });
  const about = { name: "tiny", version: "1.0.0", workspaces: ["packages/*"] };
  const part = { name: "part", version: "1.0.0" };
  await mkdir(join(root, "packages", "part"), { recursive: true });
  await writeFile(join(root, "package.json"), JSON.stringify({ ...about, type: "module" }));
  await writeFile(join(root, "packages", "part", "package.json"), JSON.stringify(part));
  const link = { resolved: "packages/part", link: true };
  const packages = { "": about, "node_modules/part": link, "packages/part": part };
  await writeFile(
    join(root, "package-lock.json"),
    JSON.stringify({ ...about, lockfileVersion: 3, packages }),
  );
  await writeFile(join(root, "script.ts"), script);
  return root;
}

async function installed(script: string): Promise<string> {
  const root = await workspace(script);
  await mkdir(join(root, "node_modules"));
  await cp(join(root, "package-lock.json"), join(root, "node_modules", ".package-lock.json"));
  return root;
}

function launch(node: string, root: string, ...args: readonly string[]) {
  const file = join(root, "apps", "cli", "launch.cjs");
  const env = { ...process.env, npm_config_omit: "dev", npm_config_workspace: "nowhere" };
  const child = spawn(node, [file, "script.ts", ...args], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
    // In a process group of its own, which can be signalled as a whole.
    detached: true,
  });
  onTestFinished(() => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, "SIGKILL");
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  }
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, ...output }));
  return { child, output, ended };
}

/** A Node of this machine that is too old for TypeScript, or undefined. */
async function oldNode(): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const child = spawn(join(folder, "node"), ["--version"], { stdio: ["ignore", "pipe", "ignore"] });
    const [text] = await Promise.race([
      once(child.stdout, "data"),
      once(child, "error").then(() => [""]),
    ]).catch(() => [""]);
    const major = /^v(\d+)/.exec(String(text))?.[1];
    if (major !== undefined && Number(major) < 24) return join(folder, "node");
  }
  return undefined;
}

const old = await oldNode();
const nodes: (readonly [string, string])[] = [["this Node", process.execPath]];
if (old !== undefined) nodes.push(["a Node that is too old", old]);

async function withPinnedNode(root: string): Promise<string> {
  const names = (await readdir(join(ROOT, "node_modules"))).filter((name) =>
    /^node-(bin-)?\w+-\w+$/.test(name),
  );
  for (const name of names) await symlink(join(ROOT, "node_modules", name), join(root, "node_modules", name));
  return root;
}

test.each(nodes)(
  "under %s the script gets its arguments, and its exit code is the launcher's",
  async (_, node) => {
    const root = await withPinnedNode(
      await installed(
        "const text: string = process.argv.slice(2).join(); console.log(text); process.exitCode = 7;",
      ),
    );
    const { code, stdout, stderr } = await launch(node, root, "a", "--b").ended;
    expect({ code, stdout, stderr }).toEqual({ code: 7, stdout: "a,--b\n", stderr: "" });
  },
);

test.each(nodes)("under %s SIGTERM reaches the script, which may take its time", async (_, node) => {
  const root = await withPinnedNode(
    await installed(
      'process.on("SIGTERM", () => { console.log("draining"); process.exit(5); }); console.log("up"); setInterval(() => 0, 1e3);',
    ),
  );
  const { child, output, ended } = launch(node, root);
  await until(() => output.stdout.includes("up"), { what: "the script to run" });
  child.kill("SIGTERM");
  expect(await ended).toMatchObject({ code: 5, stdout: "up\ndraining\n" });
});

test.each(nodes)(
  "under %s a signal to all of its processes is one, and a second one is a second",
  async (_, node) => {
    const script = `
      process.on("SIGTERM", () => console.log("heard"));
      process.on("SIGUSR2", () => console.log("passed"));
      console.log("up");
      setInterval(() => 0, 1e3);`;
    const root = await withPinnedNode(await installed(script));
    const { child, output } = launch(node, root);
    const pid = child.pid ?? Number.NaN;
    const count = (word: string) => output.stdout.split(word).length - 1;
    await until(() => output.stdout.includes("up"), { what: "the script to run" });
    // To all as a supervisor does it, to the launcher alone as a shell does; and so again.
    for (const [place, to] of [-pid, pid, pid, -pid].entries()) {
      process.kill(to, "SIGTERM");
      await until(() => count("heard") > place, { what: "the signal" });
      // What the launcher passes on keeps its order.
      process.kill(pid, "SIGUSR2");
      await until(() => count("passed") > place, { what: "what comes behind it" });
      expect(count("heard")).toBe(place + 1);
    }
  },
);

test.each(nodes)("under %s a script that dies by a signal ends the launcher likewise", async (_, node) => {
  const root = await withPinnedNode(await installed('process.kill(process.pid, "SIGKILL");'));
  expect(await launch(node, root).ended).toMatchObject({ code: null, signal: "SIGKILL" });
});

test.each(nodes)("under %s nothing of it is left when the launcher is killed", async (_, node) => {
  const script = "console.log('[' + process.pid, process.execArgv.length + ']'); setInterval(() => 0, 1e3);";
  const root = await withPinnedNode(await installed(script));
  const { child, output, ended } = launch(node, root);
  const [, pid, options] = await until(() => /\[(\d+) (\d+)\]/.exec(output.stdout), {
    what: "the script to run",
  });
  expect(options, "children of the script get none of the launcher's options").toBe("0");
  onTestFinished(() => {
    if (isAlive(Number(pid))) process.kill(Number(pid), "SIGKILL");
  });
  child.kill("SIGKILL");
  await until(() => !isAlive(Number(pid)), { what: "the end of the script" });
  await ended;
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test.runIf(old !== undefined)(
  "a Node that is too old, and no pinned one, is an error that says so",
  async () => {
    const root = await installed("");
    const { code, stderr } = await launch(old ?? "", root).ended;
    expect(code).toBe(1);
    expect(stderr).toContain("Baton needs Node 24 or newer");
  },
);

test("two first runs at once install once, even under npm settings meant for something else", async () => {
  const root = await workspace('console.log("ran");');
  const ends = await Promise.all([
    launch(process.execPath, root).ended,
    launch(process.execPath, root).ended,
  ]);
  expect(ends.map(({ stdout }) => stdout)).toEqual(["ran\n", "ran\n"]);
  const said = ends.map(({ stderr }) => stderr).join("");
  expect(said.match(/Installing dependencies/g)).toHaveLength(1);
  await expect(readFile(join(root, ".baton", "install.lock"))).rejects.toMatchObject({ code: "ENOENT" });
});

test("a lockfile that changed since the install brings another install", async () => {
  const root = await installed('console.log("ran");');
  const file = join(root, "node_modules", ".package-lock.json");
  await writeFile(file, (await readFile(file, "utf8")).replace("node_modules/part", "node_modules/past"));
  const { stdout, stderr } = await launch(process.execPath, root).ended;
  expect({ stdout, stderr }).toEqual({ stdout: "ran\n", stderr: "Installing dependencies (first run)…\n" });
});

test("the lock of an installer that died is taken over", async () => {
  const root = await workspace('console.log("ran");');
  const dead = spawn(process.execPath, ["--version"], { stdio: "ignore" });
  await once(dead, "exit");
  await mkdir(join(root, ".baton"));
  await writeFile(join(root, ".baton", "install.lock"), String(dead.pid));
  expect(await launch(process.execPath, root).ended).toMatchObject({ code: 0, stdout: "ran\n" });
});

test("an install that fails shows what npm said", async () => {
  const root = await workspace("");
  await rm(join(root, "package.json"));
  await writeFile(
    join(root, "package.json"),
    '{"name":"tiny","version":"1.0.0","dependencies":{"left":"1.0.0"}}',
  );
  const { code, stderr } = await launch(process.execPath, root).ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(/npm ci.*in sync/s);
});
