import { describe, expect, test } from "vitest";
import { parameterNames } from "./parameter-names.ts";

const namesOf = (source: string) =>
  parameterNames(source)?.map(({ name, required }) => (required ? name : `${name}?`));

describe("the parameters of a function", () => {
  test.each([
    ["(a, b) => a + b", ["a", "b"]],
    ["async (a) => a", ["a"]],
    ["a => a", ["a"]],
    ["async city => city", ["city"]],
    ["() => 1", []],
    ["function add(a, b) { return a }", ["a", "b"]],
    ["function (a) {}", ["a"]],
    ["async function add(a) {}", ["a"]],
    ["function* add(a,) {}", ["a"]],
    ["add(a, b) { return f(a) }", ["a", "b"]],
    ["async add(a) {}", ["a"]],
    ['(a, b = "x, y)", c = [1, (2)]) => a', ["a", "b?", "c?"]],
    ["(/* the (city */ city, // and, so on\n unit = 'C') => city", ["city", "unit?"]],
    ["(größe, $x, _y) => 1", ["größe", "$x", "_y"]],
  ])("of %s are %j", (source, names) => {
    expect(namesOf(source)).toEqual(names);
  });

  test.each([
    "({ a, b }) => a",
    "([a]) => a",
    "(...rest) => rest",
    "function f({ a } = {}) {}",
    "class A {}",
  ])("of %s cannot be told", (source) => {
    expect(namesOf(source)).toBeUndefined();
  });

  test("of real functions are read from their own source", () => {
    const add = (a: number, b = 2) => a + b;
    expect(namesOf(add.toString())).toEqual(["a", "b?"]);
    expect(namesOf(Math.max.toString())).toBeUndefined();
    expect(namesOf(add.bind(undefined).toString())).toBeUndefined();
  });
});
