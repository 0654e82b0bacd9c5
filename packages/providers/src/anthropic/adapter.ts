/** The adapter of Anthropic's Messages API: one client for each provider, one request for each call. */
import Anthropic from "@anthropic-ai/sdk";
import type { ModelAdapter } from "@baton/core";
import { type ProviderContext, REQUEST_OPTIONS } from "../provider-context.ts";
import { streamCall } from "../stream-call.ts";
import { messagesReader } from "./read-stream.ts";
import { renderRequest } from "./render-request.ts";

export function anthropicAdapter(provider: ProviderContext): ModelAdapter {
  const client = new Anthropic({
    baseURL: provider.baseURL,
    // Without a key the SDK would go looking for one in files; the headers below then take it out again.
    apiKey: provider.apiKey ?? "none",
    defaultHeaders:
      provider.apiKey === undefined ? { authorization: null, ...provider.headers } : provider.headers,
    openTelemetry: false,
    ...REQUEST_OPTIONS,
  });
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
        api: "anthropic-messages",
        send: (guarded) => client.messages.create(body, { signal: guarded }).asResponse(),
        reader: messagesReader(context, onDelta),
      });
    },
  };
}
