import fc from "fast-check";
import { expect, test } from "vitest";
import { createRedactor } from "./redactor.ts";

test("messages lose every value that was given, in each spelling", () => {
  const { message } = createRedactor([
    { name: "API_KEY", value: 'a"b c/d+e' },
    { name: "Authorization", value: "Bearer xyz-12345678" },
    { name: "ROOT", value: "/data/files" },
  ]);
  expect(message('key a"b c/d+e, a%22b%20c%2Fd%2Be, a\\"b c/d+e')).toBe(
    "key [redacted], [redacted], [redacted]",
  );
  expect(message("header Bearer xyz-12345678, token xyz-12345678")).toBe(
    "header [redacted], token [redacted]",
  );
  expect(message("cannot read /data/files/x")).toBe("cannot read [redacted]/x");
});

test("results lose credentials, and keep what is only a setting", () => {
  const { result } = createRedactor([
    { name: "API_KEY", value: "k-12345678" },
    { name: "ROOT", value: "/data/files" },
    { name: "TOKEN_KIND", value: "short" },
  ]);
  expect(result("k-12345678 reads /data/files, short")).toBe("[redacted] reads /data/files, short");
});

test("a value that is part of another leaves nothing of it", () => {
  const { message } = createRedactor([
    { name: "A", value: "secret" },
    { name: "B", value: "secret-and-more" },
  ]);
  expect(message("secret-and-more secret")).toBe("[redacted] [redacted]");
});

test("no value survives in a message, wherever it stands", () => {
  const value = fc
    .string({ minLength: 4 })
    .filter((text) => text.trim().length >= 4 && !"[redacted]".includes(text));
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 4 }), fc.string(), (values, around) => {
      const { message } = createRedactor(values.map((each, index) => ({ name: `V${index}`, value: each })));
      for (const each of values) expect(message(`x ${each} y`)).not.toContain(`x ${each} y`);
      expect(typeof message(around)).toBe("string");
    }),
  );
});
