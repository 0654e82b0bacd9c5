/**
 * Every state that Baton's protocol can reach in small worlds where much goes wrong; see docs/protocol.md. A
 * failure shows the shortest way to what broke.
 */
import { describe, expect, test } from "vitest";
import { type Exploration, explore } from "./explore.ts";
import { RULES } from "./rules.ts";
import { BACKED_UP, SWITCHES } from "./switches.ts";
import { printTrace } from "./trace.ts";
import { BASE_WORLDS, wordsOf, worldOf } from "./worlds.ts";

function tracesOf({ broken }: Exploration): readonly string[] {
  return [...broken].map(([invariant, counterexample]) => printTrace(invariant, counterexample));
}

function brokenIn(found: Exploration): readonly string[] {
  return [...found.broken.keys()].sort();
}

describe("with every rule kept, nothing breaks", () => {
  test.each(BASE_WORLDS)("$name: $statesMin states and more", ({ name, options, statesMin }) => {
    const found = explore(worldOf(name, options));
    expect(tracesOf(found)).toEqual([]);
    // A world that shrinks would pass without having tried anything.
    expect(found.states).toBeGreaterThanOrEqual(statesMin);
  });
});

describe("a rule that is switched off breaks what it is for", () => {
  const rows = SWITCHES.map((one) => ({
    ...one,
    rules: one.off.join(" + "),
    what: one.breaks.join(", "),
    where: wordsOf(one.world),
  }));
  test.each(rows)("without $rules: $what, in $where", ({ off, world, breaks }) => {
    const kept = explore(worldOf("every rule kept", world));
    expect(tracesOf(kept)).toEqual([]);
    const without = [...(world.without ?? []), ...off];
    const found = explore(worldOf(`without ${off.join(", ")}`, { ...world, without }));
    expect(brokenIn(found), tracesOf(found).join("\n\n")).toEqual([...breaks].sort());
  });
});

test("each rule is switched off somewhere", () => {
  const off = new Set<string>(SWITCHES.flatMap((one) => one.off));
  expect([...off].sort()).toEqual(Object.keys(RULES).sort());
});

test("without a reconciler, whoever dies before an add leaves its run without an entry", () => {
  const found = explore(worldOf("no reconciler", { turns: [1, 1], crash: 1, reconcilers: 0 }));
  expect(brokenIn(found), tracesOf(found).join("\n\n")).toEqual(["R4", "end"]);
});

test("no more than eight operations are remembered: behind eight others, one takes effect again", () => {
  const world = { turns: [1], workers: 1, reconcilers: 0, late: 1 };
  const remembered = explore(worldOf("seven others at most", { ...world, pause: 4 }));
  expect(tracesOf(remembered)).toEqual([]);
  const forgotten = explore(worldOf("eight others", { ...world, pause: 5 }));
  expect(brokenIn(forgotten), tracesOf(forgotten).join("\n\n")).toEqual(["R1"]);
});

describe("a rule that is backed up breaks nothing alone", () => {
  const rows = BACKED_UP.flatMap(({ off, by, worlds }) =>
    worlds.map((world) => ({ off, world, by, rules: off.join(" + "), where: wordsOf(world) })),
  );
  test.each(rows)("without $rules, $by suffices in $where", ({ off, world }) => {
    const without = [...(world.without ?? []), ...off];
    const found = explore(worldOf(`without ${off.join(", ")}`, { ...world, without }));
    expect(tracesOf(found)).toEqual([]);
  });
});
