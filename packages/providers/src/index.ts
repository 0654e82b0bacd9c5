/** Model adapters: OpenAI Responses, Chat Completions (any compatible server), Anthropic Messages. */
export type { CallLimits } from "./call-guard.ts";
export { type AdapterOptions, createAdapters } from "./create-adapters.ts";
export { type Environment, type ResolvedProvider, resolveProviders } from "./resolve-providers.ts";
