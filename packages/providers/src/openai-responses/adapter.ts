/** The adapter of OpenAI's Responses API: one client for each provider, one request for each call. */
import type { ModelAdapter } from "@baton/core";
import { openAiClient } from "../openai-client.ts";
import type { ProviderContext } from "../provider-context.ts";
import { streamCall } from "../stream-call.ts";
import { responsesReader } from "./read-stream.ts";
import { renderRequest } from "./render-request.ts";

export function responsesAdapter(provider: ProviderContext): ModelAdapter {
  const client = openAiClient(provider);
  return {
    call: async (request, onDelta, signal) => {
      const { body, dropped } = renderRequest(request);
      for (const setting of dropped) onDelta({ kind: "dropped_setting", ...setting });
      const context = provider.callContext(request.model);
      return streamCall({
        context,
        request,
        limits: provider.limits,
        signal,
        onDelta,
        api: "openai-responses",
        send: (guarded) => client.responses.create(body, { signal: guarded }).asResponse(),
        reader: responsesReader(context, onDelta),
      });
    },
  };
}
