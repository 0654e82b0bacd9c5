/** The adapter of the Chat Completions API: one client for each provider, one request for each call. */
import { type ModelAdapter, splitModelId } from "@baton/core";
import { openAiCapabilities } from "../capabilities.ts";
import { openAiClient } from "../openai-client.ts";
import type { ProviderContext } from "../provider-context.ts";
import { streamCall } from "../stream-call.ts";
import { chatReader } from "./read-stream.ts";
import { renderRequest } from "./render-request.ts";

export function chatAdapter(provider: ProviderContext): ModelAdapter {
  const client = openAiClient(provider);
  return {
    call: async (request, onDelta, signal) => {
      const { body, dropped } = renderRequest(request);
      for (const setting of dropped) onDelta({ kind: "dropped_setting", ...setting });
      const context = provider.callContext(request.model);
      // The reply takes the next place in the log, so this is unique in the conversation, and the same again.
      const place = (request.items.at(-1)?.seq ?? -1) + 1;
      return streamCall({
        context,
        request,
        limits: provider.limits,
        signal,
        onDelta,
        api: "openai-chat",
        send: (guarded) => client.chat.completions.create(body, { signal: guarded }).asResponse(),
        reader: chatReader({
          context,
          onDelta,
          spareId: (ordinal) => `call_${place}_${ordinal}`,
          keepReasoning: openAiCapabilities(splitModelId(request.model).model).wantsReasoningBack,
        }),
      });
    },
  };
}
