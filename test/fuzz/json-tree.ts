/**
 * JSON as text that may be wrong: a tree whose leaves are written as they stand, so that it holds what no value of
 * JavaScript holds: a name that comes twice, `NaN`, `1e999`, half an escape.
 */
export type Tree =
  | { readonly kind: "token"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly Tree[] }
  | { readonly kind: "object"; readonly fields: readonly Field[] };

/** The name is written as it stands, quotes and all. */
type Field = readonly [name: string, value: Tree];

/** What is done to one place of a tree. */
export type Change =
  | { readonly kind: "replace"; readonly by: string }
  | { readonly kind: "remove" }
  | { readonly kind: "twice"; readonly by: string }
  | { readonly kind: "add"; readonly name: string; readonly value: string }
  | { readonly kind: "wrap"; readonly depth: number };

export interface Mutation {
  /** Which place, counted from the root, modulo how many there are. */
  readonly at: number;
  readonly change: Change;
}

export function treeOf(value: unknown): Tree {
  if (Array.isArray(value)) return { kind: "list", items: value.map(treeOf) };
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).filter(([, one]) => one !== undefined);
    return { kind: "object", fields: fields.map(([name, one]) => [JSON.stringify(name), treeOf(one)]) };
  }
  return token(JSON.stringify(value) ?? "null");
}

export function token(text: string): Tree {
  return { kind: "token", text };
}

export function textOf(tree: Tree): string {
  switch (tree.kind) {
    case "token":
      return tree.text;
    case "list":
      return `[${tree.items.map(textOf).join(",")}]`;
    case "object":
      return `{${tree.fields.map(([name, value]) => `${name}:${textOf(value)}`).join(",")}}`;
  }
}

export function mutated(tree: Tree, mutations: readonly Mutation[]): Tree {
  return mutations.reduce(
    (before, { at, change }) => changeAt(before, at % sizeOf(before), change)[0] ?? token(""),
    tree,
  );
}

function sizeOf(tree: Tree): number {
  return 1 + childrenOf(tree).reduce((sum, child) => sum + sizeOf(child), 0);
}

function childrenOf(tree: Tree): readonly Tree[] {
  if (tree.kind === "list") return tree.items;
  return tree.kind === "object" ? tree.fields.map(([, value]) => value) : [];
}

/** What stands for the tree then: none, one, or two where a name comes twice. */
function changeAt(tree: Tree, at: number, change: Change): readonly Tree[] {
  if (at === 0) return changed(tree, change);
  let left = at - 1;
  const into = (child: Tree): readonly Tree[] => {
    const place = left;
    left -= sizeOf(child);
    return place >= 0 && left < 0 ? changeAt(child, place, change) : [child];
  };
  if (tree.kind === "list") return [{ kind: "list", items: tree.items.flatMap(into) }];
  if (tree.kind === "token") return [tree];
  const fields = tree.fields.flatMap(([name, value]) => into(value).map((one): Field => [name, one]));
  return [{ kind: "object", fields }];
}

function changed(tree: Tree, change: Change): readonly Tree[] {
  switch (change.kind) {
    case "replace":
      return [token(change.by)];
    case "remove":
      return [];
    case "twice":
      return [tree, token(change.by)];
    case "add":
      return [withField(tree, change.name, change.value)];
    case "wrap":
      return [token(`${"[".repeat(change.depth)}${textOf(tree)}${"]".repeat(change.depth)}`)];
  }
}

function withField(tree: Tree, name: string, value: string): Tree {
  if (tree.kind === "list") return { kind: "list", items: [...tree.items, token(value)] };
  if (tree.kind === "token") return token(value);
  return { kind: "object", fields: [...tree.fields, [name, token(value)]] };
}
