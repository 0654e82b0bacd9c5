/**
 * Restate, one server process (its own log, RocksDB) with the defaults of its single-node install: a run is one
 * invocation of a service, a phase is a `ctx.run` whose result the journal holds. Choices in its favour:
 * - Steps of one handler, not a service for each model: a call of another service is a second invocation with its own
 *   journal, and slower.
 * - The handler is served over HTTP/2 on loopback as its guide says; the caller waits at the ingress for the result.
 */
import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import * as restate from "@restatedev/restate-sdk";
import * as clients from "@restatedev/restate-sdk-clients";
import { argumentAt, driveRounds, PHASES, replyOf } from "./peer-driver.ts";

const service = restate.service({
  name: "bench",
  handlers: {
    phases: async (ctx: restate.Context, run: string): Promise<readonly string[]> => {
      const replies: string[] = [];
      for (let phase = 0; phase < PHASES; phase += 1) {
        replies.push(await ctx.run(`phase${phase}`, () => replyOf(run, phase)));
      }
      return replies;
    },
  },
});

const server = createServer(restate.endpoint().bind(service).http2Handler());
server.listen(0, "127.0.0.1");
await once(server, "listening");
// A server that listens on a port has an address of this kind.
const { port } = server.address() as AddressInfo;
const registered = await fetch(`${argumentAt(1)}/deployments`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ uri: `http://127.0.0.1:${port}` }),
});
if (!registered.ok) throw new Error(`the service was not registered: ${await registered.text()}`);
const client = clients.connect({ url: argumentAt(0) }).serviceClient<typeof service>({ name: "bench" });
await driveRounds(async (run) => client.phases(run));
server.close();
