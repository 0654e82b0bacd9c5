/** Clients whose key has a bound of its own, and who run into it: each comes again when it is told to, and not before. */
import { setTimeout as delay } from "node:timers/promises";
import type { Job } from "../../chaos/jobs.ts";
import { fractionOf } from "../../chaos/random.ts";
import type { Task } from "../plan.ts";
import type { Kind } from "../stories.ts";
import { callApi } from "./call-api.ts";
import { accepted, askNative, ENDED, outcomeOf, submit } from "./native-clients.ts";
import { askChat, askResponse } from "./openai-clients.ts";
import { type Asked, untilAnswered, type Wish } from "./patient.ts";
import type { ClientWorld } from "./world.ts";

const LOOK_EVERY_MS = 40;

/** So many requests a minute: looks at its run without a pause. */
export async function runRated({ kind, job }: Task, world: ClientWorld): Promise<void> {
  await untilAnswered(wishOf(kind, job, false), world, async (): Promise<Asked> => {
    const runId = await submit(job, world);
    for (;;) {
      const { body } = accepted(await callApi(world, { method: "GET", path: `/v1/runs/${runId}` }));
      if (ENDED.includes(body.status)) return { runId, outcome: outcomeOf(body) };
      await delay(LOOK_EVERY_MS);
    }
  });
}

/** So many runs at once: asks for more of them in the same moment. */
export async function runCrowded({ kind, lines }: Task, world: ClientWorld): Promise<void> {
  await Promise.all(
    lines.map((job) => {
      const ask = fractionOf(job.mark, "asks plainly") < 0.5 ? askNative : askChat;
      return untilAnswered(wishOf(kind, job, true), world, () => ask(job, world));
    }),
  );
}

/** So many tokens: asks for one run after the other, and when there are no tokens left, for the first one again. */
export async function runBudgeted({ kind, lines }: Task, world: ClientWorld): Promise<void> {
  const [first] = lines;
  for (const job of first === undefined ? [] : [...lines, first]) {
    const ask = fractionOf(job.mark, "asks chat") < 0.5 ? askChat : askResponse;
    await untilAnswered(wishOf(kind, job, false), world, () => ask(job, world));
  }
}

function wishOf(kind: Kind, job: Job, isRetried: boolean): Wish {
  return { kind, job, isSteered: false, isRetried };
}
