/** Replies that were bought and are lost with their worker (R5). */
import type { Item, State, Worker } from "./model.ts";

/** Replies that a worker has bought and does not know to be written. */
export function inHandOf(worker: Worker): readonly Item[] {
  if (worker.at === "session") return [worker.reply];
  return worker.at === "ending" ? (worker.commit?.items ?? []) : [];
}

/** Counts the replies that are lost with their worker, unless they did reach the log. */
export function waste(
  { redis }: Pick<State, "redis">,
  { wasted }: Pick<State, "wasted">,
  items: readonly Item[],
): Pick<State, "wasted"> {
  const { log } = redis.run;
  const lost = items.filter((item) => item.kind === "reply" && !log.some((one) => one.id === item.id));
  return { wasted: wasted + lost.length };
}
