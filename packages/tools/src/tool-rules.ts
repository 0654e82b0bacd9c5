/**
 * The operator's rules for the tools of a server, laid over what the server says of them.
 *
 * - A rule goes before an annotation: whoever runs the server knows better than the server may say. `*` is the
 *   rule of those that have none of their own; it is not mixed into the others.
 * - `destructiveHint` decides nothing. It speaks only of tools that are not read-only, is true unless it is given,
 *   and whether a person has to approve is the operator's to say.
 */
import type { ToolRule } from "@baton/core";
import type { ListedTool, ToolList } from "./listed-tools.ts";
import { nearbyNames } from "./nearby-names.ts";

export type ToolRules = Readonly<Record<string, ToolRule>>;

const ALL_OTHERS = "*";

export function applyRules(list: ToolList, rules: ToolRules): ToolList {
  return { ...list, tools: list.tools.map((tool) => ruled(tool, rules)) };
}

function ruled(tool: ListedTool, rules: ToolRules): ListedTool {
  const rule = ownRule(rules, tool.name) ?? ownRule(rules, ALL_OTHERS);
  if (rule === undefined) return tool;
  return {
    ...tool,
    readOnly: rule.readOnly ?? tool.readOnly,
    idempotent: rule.idempotent ?? tool.idempotent,
    approval: rule.approval ?? tool.approval,
  };
}

/** The rules that name a tool which the server does not list, with a sentence for each. */
export function strayRules({ tools }: ToolList, rules: ToolRules): ReadonlyMap<string, string> {
  const names = tools.map(({ name }) => name);
  const stray = Object.keys(rules).filter((name) => name !== ALL_OTHERS && !names.includes(name));
  return new Map(
    stray.map((name) => {
      const near = nearbyNames(name, names);
      const hint = near.length === 0 ? "" : ` Did you mean ${near.join(", ")}?`;
      return [name, `the configuration has a rule for its tool ${name}, which it does not list.${hint}`];
    }),
  );
}

/** A tool may be named like a property that every object has. */
function ownRule(rules: ToolRules, name: string): ToolRule | undefined {
  return Object.hasOwn(rules, name) ? rules[name] : undefined;
}
