/** The OpenAI client of a provider, for both of OpenAI's APIs: it keeps its connections, and reads no environment. */
import { OpenAI } from "openai";
import { type ProviderContext, REQUEST_OPTIONS } from "./provider-context.ts";

export function openAiClient(provider: ProviderContext): OpenAI {
  return new OpenAI({
    baseURL: provider.baseURL,
    // The client insists on a key; for a server that takes none the header is left out.
    apiKey: provider.apiKey ?? "none",
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    defaultHeaders:
      provider.apiKey === undefined ? { authorization: null, ...provider.headers } : provider.headers,
    ...REQUEST_OPTIONS,
  });
}
