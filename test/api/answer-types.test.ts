/** What is answered has all that the clients' own types ask for: checked by the compiler, and once against real answers. */
import type { Completion as DedalusCompletion } from "dedalus-labs/resources/chat/completions";
import type { Model as DedalusModel } from "dedalus-labs/resources/models";
import type { ChatCompletion } from "openai/resources/chat/completions";
import type { Model } from "openai/resources/models";
import type { Response as OpenAiResponse, ResponseOutputItem } from "openai/resources/responses/responses";
import { expect, expectTypeOf, test } from "vitest";
import type { Completion } from "../../apps/api/src/chat/completion.ts";
import type { CompletionChunk } from "../../apps/api/src/chat/completion-chunks.ts";
import type { OutputItem } from "../../apps/api/src/responses/output-items.ts";
import type { Response } from "../../apps/api/src/responses/response.ts";
import { useResponses } from "../support/responses-rig.ts";
import { text } from "../support/scripted-model.ts";
import { until } from "../support/until.ts";

const rig = useResponses();

/** What the client itself adds, and what is echoed from the request in the words that it came in. */
type Echoed = "output_text" | "tools" | "tool_choice" | "text" | "reasoning";

test("answers are of the types that the clients declare", () => {
  expectTypeOf<Completion>().toExtend<ChatCompletion>();
  expectTypeOf<Completion>().toExtend<Omit<DedalusCompletion, "choices">>();
  expectTypeOf<OutputItem>().toExtend<ResponseOutputItem>();
  expectTypeOf<Omit<Response, Echoed>>().toExtend<Omit<OpenAiResponse, Echoed>>();
  expectTypeOf<CompletionChunk["choices"][number]["finish_reason"]>().toExtend<
    ChatCompletion.Choice["finish_reason"] | null
  >();
});

test("a model has what either client's type asks for", async () => {
  rig.script = () => ({ parts: [text("Yes.")] });
  await rig.client.responses.create({ model: "gpt-5.2", input: "?" });
  // Whom a worker serves is known from its first beat on.
  const look = () => rig.api.call("GET", "/v1/models/gpt-5.2");
  await until(async () => (await look()).status === 200, { what: "the worker's beat" });
  const { body } = await look();
  const model: Model & Pick<DedalusModel, "created_at"> = body;
  expect(model).toEqual({
    ...{ id: "openai/gpt-5.2", object: "model", created: 0, created_at: "1970-01-01T00:00:00.000Z" },
    ...{ owned_by: "openai", provider: "openai" },
  });
});

test("a response has every field that OpenAI's type has no question mark on, from its beginning", async () => {
  rig.script = () => new Promise<never>(() => undefined);
  const begun = await rig.client.responses.create({ model: "gpt-5.2", input: "?", background: true });
  const { body } = await rig.api.call("GET", `/v1/responses/${begun.id}`);
  for (const field of [
    ...["id", "access_programs", "created_at", "error", "incomplete_details", "instructions", "metadata"],
    ...["model", "object", "output", "parallel_tool_calls", "temperature", "tool_choice", "tools", "top_p"],
  ]) {
    expect(body).toHaveProperty(field);
  }
  await rig.client.responses.cancel(begun.id);
});
