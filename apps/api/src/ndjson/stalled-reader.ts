/** A reader that takes nothing for long holds what is read for it: it is cut, and comes again where it was. */
import type { ServerResponse } from "node:http";
import { STALL_MS_MAX } from "../hardening/server-bounds.ts";
import { breakOff } from "./break-off.ts";

/** Watches until the answer is closed. */
export function cutWhenStalled(response: ServerResponse, stallMsMax: number = STALL_MS_MAX): void {
  // One that is closed already would say so to nobody.
  if (response.destroyed) return;
  const timer = setTimeout(() => {
    if (response.writableNeedDrain) breakOff(response);
    else timer.refresh();
  }, stallMsMax);
  response.on("drain", () => timer.refresh());
  response.once("close", () => clearTimeout(timer));
}
