import { parseRunSpec } from "@baton/core";
import { expect, test } from "vitest";
import { jobOf, jobOfMark, markIn } from "./jobs.ts";
import { decisionOf, nonceOf, PROVIDER_FAULTS, placeMark, placeOf } from "./provider-plan.ts";

const JOBS = Array.from({ length: 300 }, (_, index) => jobOf(7, index));

test("a job is told by its mark, which is in its input, and is the same each time", () => {
  for (const job of JOBS) {
    expect(markIn(JSON.stringify(job.spec))).toBe(job.mark);
    expect(jobOfMark(job.mark)).toEqual(job);
  }
  expect(jobOf(8, 0)).not.toEqual(jobOf(7, 0));
});

test("every job is a valid spec that ends with a text, after as many handoffs as it has models to go to", () => {
  for (const { spec, steps } of JOBS) {
    const { model, phases } = parseRunSpec(spec);
    expect(steps.at(-1)).toEqual({ kind: "text" });
    const transfers = steps.filter(({ kind }) => kind === "transfer").length;
    const texts = steps.filter(({ kind }) => kind === "text").length;
    if (phases !== undefined) expect([transfers, texts]).toEqual([0, phases.length]);
    else expect(texts).toBe(1);
    if (Array.isArray(model)) expect(transfers).toBeGreaterThanOrEqual(model.length - 1);
  }
});

test("there are runs of every kind, and every act and fault of a provider comes", () => {
  const acts = new Set(JOBS.map(({ act }) => act?.kind));
  expect(acts).toEqual(new Set([undefined, "cancel", "pause"]));
  expect(JOBS.some(({ spec }) => spec.phases !== undefined)).toBe(true);
  expect(JOBS.some(({ spec }) => spec.handoff?.context === "brief")).toBe(true);
  const decisions = JOBS.flatMap(({ mark, steps }) => steps.map((_, place) => decisionOf(mark, place, 0)));
  const faults = decisions.flatMap(({ fault }) => (fault === undefined ? [] : [fault]));
  expect(new Set(faults)).toEqual(new Set(PROVIDER_FAULTS));
  expect(faults.length / decisions.length).toBeGreaterThan(0.1);
  expect(faults.length / decisions.length).toBeLessThan(0.25);
});

test("the place in a run is told by what a request shows, also when that is a brief alone", () => {
  expect(placeOf("nothing")).toEqual({ place: 0, shown: 0 });
  const [first, second] = [nonceOf(0, 12), nonceOf(1, 13)];
  expect(placeOf(`${first} ${first} ${second}`)).toEqual({ place: 2, shown: 2 });
  expect(placeOf(`the brief says ${placeMark(3)}`)).toEqual({ place: 3, shown: 0 });
  expect(placeOf(`${placeMark(3)} ${nonceOf(3, 40)}`)).toEqual({ place: 4, shown: 1 });
});
