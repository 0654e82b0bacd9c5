import { randomBytes } from "node:crypto";
import { BatonError } from "@baton/core";
import { expect, test } from "vitest";
import { parseEncryptionKeys } from "./encryption-keys.ts";

const bytes = randomBytes(32);
const [FIRST, SECOND] = [bytes.toString("base64"), randomBytes(32).toString("base64")];

function refusal(text: string): BatonError {
  try {
    parseEncryptionKeys(text);
  } catch (error) {
    if (error instanceof BatonError) return error;
  }
  throw new Error("the keys were taken");
}

test("keys are read in their order, with padding, without, and in the alphabet of URLs", () => {
  const unpadded = FIRST.replace("=", "");
  const text = `a:${FIRST}, b-2:${SECOND} ,c_3:${unpadded},d:${bytes.toString("base64url")}`;
  const keys = parseEncryptionKeys(text);
  expect(keys.map(({ id }) => id)).toEqual(["a", "b-2", "c_3", "d"]);
  for (const place of [0, 2, 3]) expect(keys[place]?.secret.export()).toEqual(bytes);
  expect(keys[1]?.secret.export()).toEqual(Buffer.from(SECOND, "base64"));
});

test.each([
  ["nothing", ""],
  ["an empty place", `a:${FIRST},`],
  ["a key without an id", FIRST],
  ["an id that is none", `a b:${FIRST}`],
  ["an id that is too long", `${"a".repeat(33)}:${FIRST}`],
  ["31 bytes", `a:${bytes.subarray(1).toString("base64")}`],
  ["33 bytes", `a:${Buffer.concat([bytes, bytes.subarray(0, 1)]).toString("base64")}`],
  ["what is not base64", `a:${FIRST.slice(1)}!`],
  ["an id twice", `a:${FIRST},a:${SECOND}`],
  ["too many", Array.from({ length: 17 }, (_, index) => `k${index}:${FIRST}`).join()],
])("%s is refused with what to do, and no key is quoted (R9)", (_what, text) => {
  const error = refusal(text);
  expect(error.code).toBe("invalid_config");
  expect(error.message).toContain("BATON_ENCRYPTION_KEYS");
  for (const secret of [FIRST, SECOND, FIRST.slice(4, 40)]) {
    expect(error.message).not.toContain(secret);
    expect(JSON.stringify(error.fields)).not.toContain(secret);
  }
});

test("a key is not printed with what holds it", () => {
  const printed = JSON.stringify(parseEncryptionKeys(`a:${FIRST}`));
  expect(printed).not.toContain(FIRST.slice(4, 40));
});
