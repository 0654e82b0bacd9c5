import { expect, test } from "vitest";
import { UploadPlaces } from "./upload-places.ts";

const refused = (message: string) =>
  expect.objectContaining({ status: 429, code: "rate_limited", message: expect.stringContaining(message) });

test("one key has half of the places, and gets another one when one of its batches is in", () => {
  const places = new UploadPlaces(5);
  const [first] = [places.take("a"), places.take("a")];
  expect(() => places.take("a")).toThrow(refused("2 batches of this API key"));
  places.take("b");
  first[Symbol.dispose]();
  places.take("a");
  expect(() => places.take("a")).toThrow(refused("2 batches of this API key"));
});

test("all keys together have no more than there are, and each at least one", () => {
  const places = new UploadPlaces(3);
  for (const key of ["a", "b", "c"]) places.take(key);
  expect(() => places.take("d")).toThrow(refused("3 batches are coming in"));
  const single = new UploadPlaces(1);
  const one = single.take("a");
  expect(() => single.take("b")).toThrow(refused("1 batches are coming in"));
  one[Symbol.dispose]();
  single.take("b");
});

test("where no keys are asked for, all belong to everybody", () => {
  const places = new UploadPlaces(2);
  places.take(undefined);
  places.take(undefined);
  expect(() => places.take(undefined)).toThrow(refused("2 batches are coming in"));
});
