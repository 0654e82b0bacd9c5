import { parseConfig } from "@baton/core";
import { describe, expect, test } from "vitest";
import { guardBrowsers } from "./browser-guard.ts";

const { api } = parseConfig(
  { api: { hosts: ["baton.example.com"], cors: ["https://app.example.com"] } },
  "the test's configuration",
);
const OWN = "127.0.0.1:4800";
type Sent = Readonly<Record<string, string | undefined>>;
const ask = (headers: Sent, method = "POST"): (() => void) => {
  return () => guardBrowsers({ headers: { host: OWN, ...headers }, method }, api);
};

describe("the name that is asked for", () => {
  test.each([
    ...["127.0.0.1:4800", "localhost:4800", "LOCALHOST", "[::1]:4800", "127.9.9.9", "baton.localhost"],
    ...["baton.example.com", "baton.example.com:443", "127.1", "2130706433"],
  ])("%s is this machine's, or configured", (host) => expect(ask({ host })).not.toThrow());

  test.each([
    ...[
      "evil.example",
      "evil.example:4800",
      "127.0.0.1.evil.example",
      "localhost.evil.example",
      "10.0.0.8:4800",
    ],
    ...[
      "0.0.0.0:4800",
      "[::]:4800",
      "localhost@evil.example",
      "evil.example#127.0.0.1",
      "",
      " ",
      "a/b",
      "baton.example.com.evil",
    ],
  ])("%j is refused: a page may have been made to lead here", (host) => {
    expect(ask({ host })).toThrow("asks for no keys");
  });

  test("none is refused", () => expect(ask({ host: undefined })).toThrow("asks for no keys"));
});

describe("a page", () => {
  test.each<Sent>([
    { origin: "https://evil.example" },
    { origin: "null" },
    { origin: "http://127.0.0.1:3000" },
    { origin: "http://localhost:4800" },
    { origin: "https://app.example.com.evil.example" },
    { origin: "https://evil.example", "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" },
  ])("of another site is refused: %j", (headers) => {
    for (const method of ["GET", "POST"]) expect(ask(headers, method)).toThrow("another site");
  });

  test("of another site sends no form by a navigation", () => {
    const form = {
      "sec-fetch-site": "cross-site",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "document",
    };
    expect(ask(form, "POST")).toThrow("another site");
    expect(ask(form, "GET")).not.toThrow();
  });

  test.each<Sent>([
    {},
    { origin: `http://${OWN}`, "sec-fetch-site": "same-origin" },
    { origin: "https://app.example.com", "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "none" },
  ])("of the API's own, of a configured origin, and what is no page pass: %j", (headers) => {
    for (const method of ["GET", "POST"]) expect(ask(headers, method)).not.toThrow();
  });
});
