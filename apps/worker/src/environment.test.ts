import { randomBytes } from "node:crypto";
import { BatonError } from "@baton/core";
import { expect, test } from "vitest";
import { readEnvironment } from "./environment.ts";

test("encryption keys are read in their order; none are given by none, and by an empty variable", () => {
  const secret = randomBytes(32).toString("base64");
  const { encryptionKeys } = readEnvironment({ BATON_ENCRYPTION_KEYS: `new:${secret},old:${secret}` });
  expect(encryptionKeys.map(({ id }) => id)).toEqual(["new", "old"]);
  expect(readEnvironment({}).encryptionKeys).toEqual([]);
  expect(readEnvironment({ BATON_ENCRYPTION_KEYS: "" }).encryptionKeys).toEqual([]);
});

test("encryption keys that are none stop the start, and are not quoted (R9)", () => {
  const start = () => readEnvironment({ BATON_ENCRYPTION_KEYS: "a:canary-that-is-no-key" });
  expect(start).toThrow(BatonError);
  expect(start).toThrow(expect.objectContaining({ code: "invalid_config" }));
  expect(start).not.toThrow(/canary/);
});
