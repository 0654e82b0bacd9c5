import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isPublicAddress } from "./public-address.ts";

const SPECIAL = [
  "0.0.0.0",
  "10.1.2.3",
  "100.64.0.1",
  "100.127.255.255",
  "127.0.0.1",
  "127.255.255.254",
  "169.254.169.254",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.1.1",
  "198.19.0.1",
  "203.0.113.9",
  "224.0.0.1",
  "239.255.255.255",
  "255.255.255.255",
];
const PUBLIC = [
  "1.1.1.1",
  "8.8.8.8",
  "100.63.255.255",
  "100.128.0.0",
  "172.15.0.1",
  "172.32.0.1",
  "223.255.255.255",
];

describe("IPv4", () => {
  test.each(SPECIAL)("%s is refused", (address) => expect(isPublicAddress(address)).toBe(false));
  test.each(PUBLIC)("%s is public", (address) => expect(isPublicAddress(address)).toBe(true));
});

describe("IPv6", () => {
  test.each([
    "::",
    "::1",
    "0:0:0:0:0:0:0:1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456:789a::1",
    "ff02::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "::127.0.0.1",
    "100::1",
    "4000::1",
  ])("%s is refused", (address) => expect(isPublicAddress(address)).toBe(false));

  test.each(["2606:4700:4700::1111", "2a00:1450:4001:82b::200e", "2001:4860:4860::8888"])(
    "%s is public",
    (address) => expect(isPublicAddress(address)).toBe(true),
  );
});

test("an IPv6 address that carries an IPv4 address is judged by the one inside, however it is spelled", () => {
  const byte = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(fc.tuple(byte, byte, byte, byte), ([a, b, c, d]) => {
      const dotted = `${a}.${b}.${c}.${d}`;
      const hex = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
      const expected = isPublicAddress(dotted);
      for (const prefix of ["::ffff:", "0:0:0:0:0:FFFF:", "64:ff9b::"]) {
        expect(isPublicAddress(prefix + dotted)).toBe(expected);
        expect(isPublicAddress(prefix + hex)).toBe(expected);
      }
    }),
  );
});

test("what is no IP address is refused", () => {
  for (const text of ["", "localhost", "127.1", "0x7f000001", "1.2.3.4.5", ":::", "[::1]"]) {
    expect(isPublicAddress(text)).toBe(false);
  }
});
