/** Names and addresses of this machine alone. */
import { BlockList, isIP } from "node:net";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** A name is believed only if it is `localhost` or ends so: what another one means, its resolver says, and may change. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  switch (isIP(bare)) {
    case 4:
      return LOOPBACK.check(bare, "ipv4");
    case 6:
      return LOOPBACK.check(bare, "ipv6");
    default:
      return bare === "localhost" || bare.endsWith(".localhost");
  }
}
