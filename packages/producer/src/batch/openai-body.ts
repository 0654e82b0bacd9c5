/**
 * Lines of OpenAI's batch files: the body of a chat completion or of a response becomes a run spec. What has no meaning
 * here, and is not at the value that it has anyway, is refused with its field; nothing is left out in silence.
 */
import { CHAT_FIELDS, type FieldTable, RESPONSES_FIELDS } from "./openai-fields.ts";
import { type Body, Draft, type Misfit } from "./spec-draft.ts";

export type Translation =
  | {
      readonly kind: "spec";
      readonly spec: Body;
      /** Names a field of the spec as the body does. */
      readonly pathOf: (path: readonly PropertyKey[]) => PropertyKey[];
    }
  | { readonly kind: "untranslatable"; readonly reason: string };

const FIELDS_BY_URL = new Map([
  ["/v1/chat/completions", CHAT_FIELDS],
  ["/v1/responses", RESPONSES_FIELDS],
]);

export function translateBody(method: unknown, url: unknown, body: Body): Translation {
  if (method !== "POST") return refused('method: it is "POST"');
  const fields = typeof url === "string" ? FIELDS_BY_URL.get(url) : undefined;
  if (fields === undefined) return refused(`url: ${[...FIELDS_BY_URL.keys()].join(" or ")}`);
  const draft = draftOf(fields, body);
  const { misfits } = draft;
  if (misfits.length > 0)
    return refused(misfits.map(({ source, why }) => `body.${source}: ${why}`).join("; "));
  return { kind: "spec", spec: draft.spec(), pathOf: (path) => draft.pathOf(path) };
}

export interface TranslatedFields {
  /** Not checked yet. */
  readonly spec: Body;
  /** Names a field of the spec as the body does. */
  readonly fieldOf: (path: readonly PropertyKey[]) => string;
  readonly misfits: readonly Misfit[];
}

/** The spec that a table makes of a body, and the fields of it that no spec can express. */
export function translateFields(fields: FieldTable, body: Body): TranslatedFields {
  const draft = draftOf(fields, body);
  return {
    spec: draft.spec(),
    fieldOf: (path) => draft.pathOf(path).slice(1).map(String).join("."),
    misfits: draft.misfits,
  };
}

function draftOf(fields: FieldTable, body: Body): Draft {
  const draft = new Draft();
  for (const [name, value] of Object.entries(body)) {
    // OpenAI takes null for a field that is not there.
    if (value === null) continue;
    const translate = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (translate === undefined) draft.refuse(name, "Baton has nothing that it could become");
    else translate(value, name, draft);
  }
  return draft;
}

function refused(reason: string): Translation {
  return { kind: "untranslatable", reason };
}
