/** Whether what callers wrote is encrypted in this Redis, with which keys, and whether this process has them. Pure. */
import { BatonError } from "@baton/core";
import { type Cipher, checkKeys, type StoreKey } from "@baton/store";
import { type Finding, fail, ok, warn } from "./check.ts";

/** `known`: the keys that the store was written with, the newest first. */
export function encryptionFinding(known: readonly StoreKey[], cipher: Cipher | undefined): Finding {
  const name = "encryption";
  try {
    checkKeys(known, cipher);
  } catch (error) {
    if (!(error instanceof BatonError)) throw error;
    return fail(name, error.message, "every other command refuses this Redis so");
  }
  if (cipher === undefined) return ok(name, "off: conversations lie in Redis in clear");
  const [sealing, ...others] = cipher.keyIds;
  const opens = others.length === 0 ? "" : `, and ${others.join(" and ")} can be read`;
  const found = `on: key ${sealing} seals${opens}`;
  const lost = known.filter(({ id }) => cipher.proofOf(id) === undefined).map(({ id }) => id);
  if (lost.length === 0) return ok(name, found);
  const advice =
    "fine when the retention of the last run that was written with it has passed; else give it, too";
  return warn(
    name,
    `${found}; the store was also written with ${lost.join(" and ")}, not given here`,
    advice,
  );
}
