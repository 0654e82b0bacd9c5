/** Standard input as the source of a batch. */
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { until } from "../../../test/support/until.ts";
import { spool } from "./batch-source.ts";

test.each(["", "begun"])(
  "an abort ends the wait for standard input, on which nobody writes (%j)",
  async (begun) => {
    const stop = new AbortController();
    const input = new PassThrough();
    input.write(begun);
    const spooled = spool(input, stop.signal);
    if (begun !== "") await until(() => input.readableLength === 0, { what: "the text to be read" });
    stop.abort();
    await expect(spooled).rejects.toBe(stop.signal.reason);
  },
);
