import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assignNames as assign, keyOf, TOOL_NAME, type ToolIdentity } from "./tool-names.ts";

const assignNames = (identities: readonly ToolIdentity[], given?: ReadonlyMap<string, string>) =>
  assign(
    identities,
    identities.flatMap(({ server }) => server ?? []),
    given,
  );
const of = (server: string | undefined, tool: string): ToolIdentity => ({ server, tool });

describe("names", () => {
  test("a tool that is alone with its name keeps it", () => {
    expect(assignNames([of("tsion/exa", "web_search_exa"), of("b", "fetch")])).toEqual([
      "web_search_exa",
      "fetch",
    ]);
  });

  test("tools of two servers with one name both get their server's alias", () => {
    expect(assignNames([of("tsion/exa", "search"), of("https://mcp.brave.com/mcp?k=1", "search")])).toEqual([
      "tsion_exa__search",
      "mcp_brave_com__search",
    ]);
  });

  test("a function keeps its name against a server's tool", () => {
    expect(assignNames([of("files", "read"), of(undefined, "read")])).toEqual(["files__read", "read"]);
  });

  test("names that only clash once they are cleaned are kept apart", () => {
    const names = assignNames([of("a", "do.it"), of("a", "do it"), of("b", "other")]);
    expect(new Set(names).size).toBe(3);
    expect(names[0]).toMatch(/^a__do_it_[0-9a-f]{8}$/);
    expect(names[2]).toBe("other");
  });

  test("no tool is named like a handoff", () => {
    const names = assignNames([
      of("a", "transfer_to_x"),
      of(undefined, "transfer_to_y"),
      of("transfer_to_z", "t"),
      of("b", "t"),
    ]);
    for (const name of names) expect(name).not.toMatch(/^transfer_to_/);
  });

  test("servers whose aliases would be one get different ones", () => {
    const names = assignNames([of("a/b", "t"), of("a.b", "t")]);
    expect(names[0]).toMatch(/^a_b_[0-9a-f]{8}__t$/);
    expect(names[1]).toMatch(/^a_b_[0-9a-f]{8}__t$/);
    expect(names[0]).not.toBe(names[1]);
  });

  test("an alias does not depend on whether the other server has tools", () => {
    const up = assign([of("a/b", "t"), of("a.b", "t"), of("c", "t")], ["a/b", "a.b", "c"]);
    const down = assign([of("a/b", "t"), of("c", "t")], ["a/b", "a.b", "c"]);
    expect(down).toEqual([up[0], up[2]]);
  });

  test("a name that was given to another tool before is not given again", () => {
    const given = new Map([["search", keyOf(of("a", "search"))]]);
    expect(assignNames([of("b", "search")], given)).toEqual(["b__search"]);
    expect(assignNames([of("a", "search")], given)).toEqual(["search"]);
  });
});

const part = fc.oneof(
  fc.constantFrom(
    "a",
    "b",
    "a_b",
    "a.b",
    "a__b",
    "b__a",
    "transfer_to_a",
    "function__a",
    "",
    "ä",
    "x".repeat(70),
  ),
  fc.string({ maxLength: 80 }),
);
const identities = fc
  .uniqueArray(fc.record({ server: fc.option(part, { nil: undefined }), tool: part }), {
    maxLength: 12,
    selector: keyOf,
  })
  // The names of functions are checked when the host is made.
  .map((all) => all.filter(({ server, tool }) => server !== undefined || TOOL_NAME.test(tool)));

test("names are valid, different, and the same in any order", () => {
  fc.assert(
    fc.property(identities, fc.infiniteStream(fc.nat()), (all, numbers) => {
      const names = assignNames(all);
      expect(new Set(names).size).toBe(all.length);
      for (const name of names) {
        expect(name).toMatch(TOOL_NAME);
        expect(name).not.toMatch(/^transfer_to_/);
      }
      const shuffled = all
        .map((identity) => ({ identity, at: numbers.next().value }))
        .sort((a, b) => a.at - b.at)
        .map(({ identity }) => identity);
      const byKey = (keys: readonly ToolIdentity[], given: readonly string[]) =>
        new Map(keys.map((identity, index) => [keyOf(identity), given[index]]));
      expect(byKey(shuffled, assignNames(shuffled))).toEqual(byKey(all, names));
    }),
    { numRuns: 500 },
  );
});
