/**
 * Tool calls of a Chat Completions stream, put together out of their deltas. OpenAI numbers the calls and sends
 * id and name once; other servers leave out the number or the id, give each whole call the number 0, repeat the
 * name, or send the arguments as an object. All of these are told apart here.
 */
import type { ToolCallPart } from "@baton/core";
import { parseArguments } from "../parse-arguments.ts";

export interface CallDelta {
  readonly index?: number | null | undefined;
  readonly id?: string | null | undefined;
  readonly function?:
    | { readonly name?: string | null | undefined; readonly arguments?: unknown }
    | null
    | undefined;
}

interface Draft {
  readonly index: number | undefined;
  id: string | undefined;
  name: string;
  pieces: string[];
  object: Record<string, unknown> | undefined;
  announced: boolean;
}

export interface CallDrafts {
  /** Takes a delta; a call whose name just became known is returned. */
  add(delta: CallDelta): { readonly callId: string; readonly name: string } | undefined;
  parts(): ToolCallPart[];
}

/** `spareId` names the nth call of the reply when the server did not. */
export function callDrafts(spareId: (ordinal: number) => string): CallDrafts {
  const drafts: Draft[] = [];
  const idOf = (draft: Draft) => {
    const ordinal = drafts.indexOf(draft);
    const taken = drafts.slice(0, ordinal).some((earlier) => earlier.id === draft.id);
    return draft.id === undefined || taken ? spareId(ordinal) : draft.id;
  };
  return {
    add: (delta) => {
      const name = delta.function?.name ?? "";
      const id = delta.id === null || delta.id === "" ? undefined : delta.id;
      let draft = draftOf(drafts, delta.index ?? undefined, id, name);
      if (draft === undefined) {
        draft = {
          index: delta.index ?? undefined,
          id,
          name: "",
          pieces: [],
          object: undefined,
          announced: false,
        };
        drafts.push(draft);
      }
      draft.id ??= id;
      if (draft.name === "") draft.name = name;
      addArguments(draft, delta.function?.arguments);
      if (draft.announced || draft.name === "") return undefined;
      draft.announced = true;
      return { callId: idOf(draft), name: draft.name };
    },
    parts: () =>
      drafts
        .filter((draft) => draft.name !== "")
        .map((draft) => ({
          type: "tool_call",
          callId: idOf(draft),
          name: draft.name,
          arguments:
            draft.object === undefined
              ? parseArguments(draft.pieces.join(""))
              : { kind: "object", value: draft.object },
        })),
  };
}

/** The call that a delta goes on with, or undefined when it begins another. */
function draftOf(
  drafts: readonly Draft[],
  index: number | undefined,
  id: string | undefined,
  name: string,
): Draft | undefined {
  const sameId = id === undefined ? undefined : drafts.findLast((draft) => draft.id === id);
  if (index !== undefined) {
    const numbered = drafts.findLast((draft) => draft.index === index);
    const another = id !== undefined && numbered?.id !== undefined && numbered.id !== id;
    return another ? sameId : numbered;
  }
  if (sameId !== undefined) return sameId;
  const last = drafts.at(-1);
  if (last === undefined || id !== undefined) return undefined;
  // Without number and id, a name begins a call, unless the one under way still lacks its own.
  return name === "" || last.name === "" ? last : undefined;
}

function addArguments(draft: Draft, value: unknown): void {
  if (typeof value === "string") draft.pieces.push(value);
  else if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    // An object that is no array has string keys.
    draft.object = { ...draft.object, ...(value as Record<string, unknown>) };
  }
}
