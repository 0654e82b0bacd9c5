/** The smallest user, exactly as the documentation has it, and what Redis refused to one. */
import { readFileSync } from "node:fs";
import type { Redis } from "ioredis";

/** The arguments of ACL SETUSER behind the name. */
export function documentedUser(password: string): readonly string[] {
  const page = readFileSync(new URL("../../docs/scaling.md", import.meta.url), "utf8");
  const rules = /^ACL SETUSER baton (.+)$/m.exec(page)?.[1];
  if (rules === undefined) throw new Error("docs/scaling.md has no ACL SETUSER");
  return rules.replace(">PASSWORD", `>${password}`).split(" ");
}

/** Commands that stand in the server's own log of refusals. */
export async function refusedBy(client: Redis): Promise<readonly string[]> {
  const log: unknown = await client.call("ACL", "LOG");
  // An entry is names and values in turn; the fourth value is what was refused.
  return Array.isArray(log) ? log.map((entry) => String(Array.isArray(entry) ? entry[7] : "")) : [];
}
