/**
 * Which IP addresses belong to the public internet. A URL that comes with a request may only reach those.
 *
 * - Unknown means refused: IPv6 is an allow list (global unicast), IPv4 a deny list of all special-use blocks.
 * - An IPv6 address that carries an IPv4 address is public only if the one inside is.
 */
import { BlockList, isIP } from "node:net";

/** IANA's special-purpose IPv4 blocks: private, loopback, link-local, CGNAT, test nets, multicast, reserved. */
const SPECIAL_IPV4 = blockList("ipv4", [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.31.196.0/24",
  "192.52.193.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "192.175.48.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
]);

const GLOBAL_UNICAST_IPV6 = blockList("ipv6", ["2000::/3"]);

/** Blocks inside global unicast that are not: protocol assignments and Teredo, documentation, 6to4, AS112. */
const SPECIAL_IPV6 = blockList("ipv6", [
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
  "2620:4f:8000::/48",
  "3fff::/20",
]);

/** Whether `address`, an IP address as text, is on the public internet. What is no IP address is not. */
export function isPublicAddress(address: string): boolean {
  const bare = address.replace(/%.*$/, "");
  switch (isIP(bare)) {
    case 4:
      return !SPECIAL_IPV4.check(bare, "ipv4");
    case 6: {
      const embedded = embeddedIpv4(groupsOf(bare));
      if (embedded !== undefined) return !SPECIAL_IPV4.check(embedded, "ipv4");
      return GLOBAL_UNICAST_IPV6.check(bare, "ipv6") && !SPECIAL_IPV6.check(bare, "ipv6");
    }
    default:
      return false;
  }
}

/** The IPv4 address inside a mapped (`::ffff:0:0/96`) or a NAT64 (`64:ff9b::/96`) address. */
function embeddedIpv4(groups: readonly number[]): string | undefined {
  const [head, second, ...rest] = groups;
  const zeros = (count: number) => rest.slice(0, count).every((group) => group === 0);
  const mapped = head === 0 && second === 0 && zeros(3) && rest[3] === 0xffff;
  const translated = head === 0x64 && second === 0xff9b && zeros(4);
  if (!mapped && !translated) return undefined;
  const [high = 0, low = 0] = groups.slice(6);
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** The eight 16-bit groups of a valid IPv6 address in any of its spellings. */
function groupsOf(address: string): readonly number[] {
  const hex = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, a, b, c, d) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map((group) => group.toString(16)).join(":"),
  );
  const [left = "", right] = hex.split("::");
  const parse = (part: string) =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const head = parse(left);
  if (right === undefined) return head;
  const tail = parse(right);
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

function blockList(family: "ipv4" | "ipv6", subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [network = "", prefix = ""] = subnet.split("/");
    list.addSubnet(network, Number(prefix), family);
  }
  return list;
}
