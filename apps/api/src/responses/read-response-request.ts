/** A response request, read: the run that it asks for, and how the answer is to be sent. */
import { BatonError, type Config, type RunSpec } from "@baton/core";
import type { Body } from "@baton/producer";
import { runTakenUp } from "../answers/call-ids.ts";
import { flag, readSpec } from "../chat/read-request.ts";
import { responseFields } from "./response-fields.ts";
import { withOwnLabels } from "./response-labels.ts";

export interface ResponseRequest {
  readonly spec: RunSpec;
  readonly stream: boolean;
  /** It is answered at once, and asked about later. */
  readonly background: boolean;
  /** The response whose conversation goes before. */
  readonly previousId: string | undefined;
}

/** Throws an `OpenAiProblem` or `invalid_spec` that names the field that is wrong. */
export function readResponseRequest(
  body: Body,
  config: Pick<Config, "providers" | "models">,
): ResponseRequest {
  for (const field of ["model", "input"]) demand(body, field);
  return {
    stream: flag(body.stream, "stream"),
    background: flag(body.background, "background"),
    previousId: previousOf(body),
    spec: specOf(withOwnLabels(body), config),
  };
}

/** What servers' tools gave is left out only when the run that called them is taken up, and thus not edited. */
function specOf(body: Body, config: Pick<Config, "providers" | "models">): RunSpec {
  const spec = readSpec(responseFields(config, { takesUp: true }), body);
  if (runTakenUp(spec) !== undefined) return spec;
  return readSpec(responseFields(config, { takesUp: false }), body);
}

/** What a spec calls messages is the input of a response. */
export function rethrowInOwnWords(error: unknown): never {
  if (!(error instanceof BatonError) || error.fields.field !== "messages") throw error;
  throw new BatonError(error.code, error.message.replace(/^messages\b/, "input"), {
    cause: error,
    fields: { ...error.fields, field: "input" },
  });
}

/** Null is as good as nothing. */
function demand(body: Body, field: string): void {
  if (body[field] !== undefined && body[field] !== null) return;
  throw new BatonError("invalid_spec", `invalid request: ${field}: it is missing`, { fields: { field } });
}

const ID_CHARS_MAX = 100;

function previousOf({ previous_response_id: id }: Body): string | undefined {
  if (id === undefined || id === null) return undefined;
  if (typeof id === "string" && id.length <= ID_CHARS_MAX) return id;
  const field = "previous_response_id";
  throw new BatonError("invalid_spec", `invalid request: ${field}: the id of a response is expected`, {
    fields: { field },
  });
}
