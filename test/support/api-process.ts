/** `baton api` as a real process, which can be killed and started again at the same port. */
import { fileURLToPath } from "node:url";
import { type ScriptProcess, startScript } from "./processes.ts";
import { type TempFolder, tempFolder } from "./temp-folder.ts";

const MAIN = fileURLToPath(new URL("../../apps/cli/src/main.ts", import.meta.url));
const READY_MS_MAX = 30_000;

export class ApiProcess implements AsyncDisposable {
  readonly #folder: TempFolder;
  readonly #redisUrl: string;
  readonly #flags: readonly string[];
  #process: ScriptProcess;
  readonly url: string;

  private constructor(
    started: { readonly process: ScriptProcess; readonly url: string },
    options: { readonly folder: TempFolder; readonly redisUrl: string; readonly flags: readonly string[] },
  ) {
    this.#process = started.process;
    this.url = started.url;
    this.#folder = options.folder;
    this.#redisUrl = options.redisUrl;
    this.#flags = options.flags;
  }

  static async start(redisUrl: string, flags: readonly string[] = []): Promise<ApiProcess> {
    const folder = await tempFolder();
    return new ApiProcess(await startAt(folder, redisUrl, "0", flags), { folder, redisUrl, flags });
  }

  get process(): ScriptProcess {
    return this.#process;
  }

  /** Starts it again at its port, after it has ended. */
  async startAgain(): Promise<void> {
    const { process } = await startAt(this.#folder, this.#redisUrl, new URL(this.url).port, this.#flags);
    this.#process = process;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

async function startAt(folder: TempFolder, redisUrl: string, port: string, flags: readonly string[]) {
  const process = await startScript(MAIN, {
    args: ["api", "--json", "--port", port, ...flags],
    cwd: folder.path,
    env: { BATON_REDIS_URL: redisUrl, BATON_CONFIG: undefined, BATON_DATA_DIR: undefined },
  });
  const [line] = await process.line(/^\{.*"ready":true.*\}$/, READY_MS_MAX);
  const ready: unknown = JSON.parse(line);
  if (typeof ready !== "object" || ready === null || !("url" in ready)) throw new Error(`no url: ${line}`);
  return { process, url: String(ready.url) };
}
