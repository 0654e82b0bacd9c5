/**
 * DBOS on Postgres, as its guide says: a run is a workflow, a phase is a step of it. Choices in its favour:
 * - Workflows are started in this process. Its queues poll (once a second by default) and cost more writes a run, so
 *   a step of a workflow is cheaper than a phase that another process could take.
 * - A connection for each run that is alive, where the default is 10, and logs of errors alone.
 */
import { DBOS } from "@dbos-inc/dbos-sdk";
import { ALIVE, argumentAt, driveRounds, PHASES, replyOf } from "./peer-driver.ts";

const poolSize = Number(process.env.PEER_POOL ?? ALIVE);

async function phases(run: string): Promise<readonly string[]> {
  const replies: string[] = [];
  for (let phase = 0; phase < PHASES; phase += 1) {
    replies.push(await DBOS.runStep(async () => replyOf(run, phase), { name: `phase${phase}` }));
  }
  return replies;
}

const workflow = DBOS.registerWorkflow(phases, { name: "phases" });
DBOS.setConfig({
  name: "bench",
  systemDatabaseUrl: argumentAt(0),
  systemDatabasePoolSize: poolSize,
  logLevel: "error",
});
await DBOS.launch();
await driveRounds(async (run) => {
  const handle = await DBOS.startWorkflow(workflow, { workflowID: run })(run);
  return handle.getResult();
});
await DBOS.shutdown();
