/**
 * `node serve-models.ts [--host H] [--port P]`: the simulated models alone, until a signal; docker-compose.yml has them
 * as a service. Prints one JSON line when they answer.
 */
import { once } from "node:events";
import { parseArgs } from "node:util";
import { DEMO_PACE, startSimulatedModels } from "./simulated-models.ts";

const { values } = parseArgs({
  options: { host: { type: "string", default: "127.0.0.1" }, port: { type: "string", default: "0" } },
});
const stopped = Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
const models = await startSimulatedModels({ host: values.host, port: Number(values.port), pace: DEMO_PACE });
process.stdout.write(`${JSON.stringify({ ready: true, url: models.url })}\n`);
await stopped;
await models.close();
