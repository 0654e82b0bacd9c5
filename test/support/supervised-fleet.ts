/** An API behind a front door that holds its port, and a worker: processes of the command line, each started again when it is killed. */
import type { CliRig } from "./cli.ts";
import { type FrontDoor, openFrontDoor } from "./front-door.ts";
import { type Supervised, supervise } from "./supervised.ts";

export interface SupervisedFleet extends AsyncDisposable {
  readonly door: FrontDoor;
  readonly api: Supervised;
  readonly worker: Supervised;
}

export async function superviseFleet(cli: CliRig): Promise<SupervisedFleet> {
  const door = await openFrontDoor();
  const api = await supervise(async () => {
    const process = await cli.start(["api", "--port", "0", "--json"]);
    const { url } = JSON.parse((await process.line(/^\{"ready":true.*$/, 30_000))[0]);
    door.lead(Number(new URL(url).port));
    return process;
  });
  const worker = await supervise(async () => {
    const process = await cli.start(["worker", "-m", "openai/*", "-m", "anthropic/*", "--json"]);
    await process.line(/^\{"ready":true.*$/, 30_000);
    return process;
  });
  return {
    door,
    api,
    worker,
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
      await door[Symbol.asyncDispose]();
    },
  };
}
