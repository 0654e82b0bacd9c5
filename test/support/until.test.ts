import { expect, test } from "vitest";
import { until } from "./until.ts";

test("gives the first truthy value", async () => {
  const values = [undefined, 0, "", "there"];
  expect(await until(() => values.shift(), { what: "a value" })).toBe("there");
});

test("a condition that throws is asked again", async () => {
  let calls = 0;
  const condition = async () => {
    calls += 1;
    if (calls < 3) throw new Error("not yet");
    return calls;
  };
  expect(await until(condition, { what: "the third call" })).toBe(3);
});

test("at the deadline says what was missing and what was seen last", async () => {
  const options = { what: "the moon", withinMs: 30 };
  await expect(until(() => null, options)).rejects.toThrow(
    "waited 30 ms in vain for the moon; last seen: null",
  );
  const cause = new Error("cloudy");
  const failing = until(() => Promise.reject(cause), options);
  await expect(failing).rejects.toMatchObject({ cause, message: expect.stringContaining("cloudy") });
});
