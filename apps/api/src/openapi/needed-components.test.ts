import { expect, test } from "vitest";
import { neededComponents } from "./needed-components.ts";

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/** What the type provider makes of calls and named schemas. */
function documentOf(refs: readonly string[], schemas: Record<string, unknown>) {
  const document = { openapi: "3.1.0", paths: { all: refs.map(ref) }, components: { schemas, headers: {} } };
  return neededComponents(document);
}

test("what nothing refers to goes, what is reached through others stays", () => {
  const { components } = documentOf(["A"], {
    A: { items: ref("B") },
    B: { type: "string" },
    C: {},
    AInput: {},
  });
  expect(components).toEqual({ headers: {}, schemas: { A: { items: ref("B") }, B: { type: "string" } } });
});

test("what is sent only has its plain name", () => {
  const made = documentOf(["SpecInput"], { Spec: { type: "object" }, SpecInput: { type: "string" } });
  expect(made).toMatchObject({
    paths: { all: [ref("Spec")] },
    components: { schemas: { Spec: { type: "string" } } },
  });
});

test("forms that say the same become one, and those that differ stay apart, also by what they refer to", () => {
  const made = documentOf(["A", "AInput", "B", "BInput", "C", "CInput"], {
    A: { type: "string" },
    AInput: { type: "string" },
    B: { items: ref("C") },
    BInput: { items: ref("CInput") },
    C: { type: "string" },
    CInput: { type: "number" },
  });
  expect(made.paths).toEqual({ all: ["A", "A", "B", "BInput", "C", "CInput"].map(ref) });
  expect(made.components).toMatchObject({
    schemas: { B: { items: ref("C") }, BInput: { items: ref("CInput") }, CInput: { type: "number" } },
  });
});

test("forms that refer to the same ones are one, too", () => {
  const made = documentOf(["BInput", "B"], {
    A: { type: "string" },
    AInput: { type: "string" },
    B: { items: ref("A") },
    BInput: { items: ref("AInput") },
  });
  expect(made.paths).toEqual({ all: [ref("B"), ref("B")] });
  expect(made.components).toMatchObject({ schemas: { A: { type: "string" }, B: { items: ref("A") } } });
});
