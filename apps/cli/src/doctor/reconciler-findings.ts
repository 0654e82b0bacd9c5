/** Whether somebody keeps the queue complete, and what had to be healed. Pure. */
import type { Heal, Health } from "@baton/store";
import { duration } from "../terminal.ts";
import { type Finding, fail, ok, warn } from "./check.ts";
import { PASS_AGE_MS_MAX } from "./pool-facts.ts";

const PASS_MS_MAX = 1_000;
const HEALS_LISTED_MAX = 3;
const NAMED_MAX = 3;

export interface ReconcilerFacts {
  readonly health: Health;
  readonly liveWorkers: number;
  /** Redis' time, in milliseconds. */
  readonly now: number;
  readonly corrupt: readonly string[];
}

export function reconcilerFindings(facts: ReconcilerFacts): readonly Finding[] {
  const { health, corrupt, now } = facts;
  return [
    passFinding(facts),
    ...slowFindings(health),
    healedFinding(health, now),
    ...corruptFindings(corrupt),
  ];
}

function passFinding({ health: { leader, lastPass }, liveWorkers }: ReconcilerFacts): Finding {
  const name = "last pass";
  const ago = lastPass === undefined ? "never" : `${duration(lastPass.agoMs)} ago`;
  if (liveWorkers === 0) {
    return ok(name, `${ago}; it is the workers' business, and none is live`);
  }
  if (lastPass === undefined || lastPass.agoMs > PASS_AGE_MS_MAX) {
    const found = `${ago}, though workers are live: a run whose job is lost stays lost`;
    return fail(name, found, "restart the workers; their logs say why no pass comes to its end");
  }
  const who = leader === undefined ? "nobody leads at the moment" : `${leader.host ?? leader.id} leads`;
  return ok(name, `${ago}, took ${lastPass.ms} ms; ${who}`);
}

function slowFindings({ lastPass }: Health): readonly Finding[] {
  if (lastPass === undefined || lastPass.ms <= PASS_MS_MAX) return [];
  const found = `a pass takes ${duration(lastPass.ms)}, and one is due each second`;
  return [warn("pace", found, "see whether Redis or that worker's processor is overloaded")];
}

function healedFinding({ healed, latest }: Health, now: number): Finding {
  const counts = Object.entries(healed).filter(([what, times]) => times > 0 && what !== "corrupt");
  if (counts.length === 0) return ok("healed", "nothing ever had to be");
  const all = counts.map(([what, times]) => `${times} ${what}`).join(", ");
  const some = latest.filter(({ what }) => what !== "corrupt").slice(0, HEALS_LISTED_MAX);
  const list = some.map((heal) => describe(heal, now)).join("; ");
  return ok("healed", list === "" ? all : `${all}; latest: ${list}`);
}

function describe({ what, runId, pool, detail, at }: Heal, now: number): string {
  const whom = runId ?? pool;
  const parts = [
    what,
    ...(whom === undefined ? [] : [whom]),
    ...(detail === undefined ? [] : [`(${detail})`]),
  ];
  return `${parts.join(" ")} ${duration(Math.max(0, now - at))} ago`;
}

function corruptFindings(corrupt: readonly string[]): readonly Finding[] {
  if (corrupt.length === 0) return [];
  const more = corrupt.length > NAMED_MAX ? ", …" : "";
  const found = `${corrupt.length} of the records cannot be read: ${corrupt.slice(0, NAMED_MAX).join(", ")}${more}`;
  return [fail("records", found, "something else wrote to these keys: submit these runs again")];
}
