/**
 * What a response tells of its run's labels. Some fields of a request are kept as labels beside those of `metadata`, so that
 * runs are found by them; to the client they are the fields again, and `metadata` is what it gave. A label of `metadata` that
 * is called like such a field is told apart by one more label, `baton.own_labels`, which no response tells.
 */
import type { Run } from "@baton/core";
import type { Body } from "@baton/producer";

const FIELDS = ["previous_response_id", "user", "safety_identifier"] as const;
type LabelField = (typeof FIELDS)[number];
const OWN = "baton.own_labels";

export interface ToldLabels extends Readonly<Partial<Record<LabelField, string>>> {
  readonly metadata: Readonly<Record<string, string>>;
}

/** The body with its own labels named, where a field's label is called the same. */
export function withOwnLabels(body: Body): Body {
  const { metadata } = body;
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) return body;
  const own = FIELDS.filter((name) => Object.hasOwn(metadata, name) && (body[name] ?? null) === null);
  return own.length === 0 ? body : { ...body, metadata: { ...metadata, [OWN]: own.join(" ") } };
}

export function toldLabels({ metadata = {} }: Pick<Run, "metadata">): ToldLabels {
  const { [OWN]: own = "", ...labels } = metadata;
  const isField = (name: string): boolean =>
    FIELDS.some((field) => field === name) && !own.split(" ").includes(name);
  const all = Object.entries(labels);
  return {
    // Those that `isField` lets through are such fields.
    ...(Object.fromEntries(all.filter(([name]) => isField(name))) as Partial<Record<LabelField, string>>),
    metadata: Object.fromEntries(all.filter(([name]) => !isField(name))),
  };
}
