/** Asks a provider for its list of models: the cheapest call that needs the key. Nothing of the reply's text is kept. */
import type { ResolvedProvider } from "@baton/providers";

export type ModelsAnswer =
  | { readonly kind: "listed"; readonly count: number }
  /** It answered that the key is no good. */
  | { readonly kind: "refused"; readonly status: number }
  | { readonly kind: "other"; readonly why: string }
  | { readonly kind: "unreachable"; readonly why: string };

const ANSWER_MS_MAX = 5_000;
const ANTHROPIC_URL = "https://api.anthropic.com";
const OPENAI_URL = "https://api.openai.com/v1";

export async function askModels(provider: ResolvedProvider): Promise<ModelsAnswer> {
  let response: Response;
  try {
    response = await fetch(modelsUrl(provider), {
      headers: { ...authorization(provider), ...provider.headers },
      // One more request would carry the key elsewhere.
      redirect: "manual",
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
  } catch (error) {
    return { kind: "unreachable", why: reasonOf(error) };
  }
  if (response.status === 401 || response.status === 403) {
    await response.body?.cancel();
    return { kind: "refused", status: response.status };
  }
  if (!response.ok) {
    await response.body?.cancel();
    return { kind: "other", why: `answers HTTP ${response.status}` };
  }
  try {
    const body: unknown = await response.json();
    const data: unknown = typeof body === "object" && body !== null ? Reflect.get(body, "data") : undefined;
    return Array.isArray(data) ? { kind: "listed", count: data.length } : notAList;
  } catch {
    return notAList;
  }
}

const notAList: ModelsAnswer = { kind: "other", why: "answers something that is no list" };

function modelsUrl({ api, baseURL }: ResolvedProvider): string {
  const isAnthropic = api === "anthropic-messages";
  const base = (baseURL ?? (isAnthropic ? ANTHROPIC_URL : OPENAI_URL)).replace(/\/+$/, "");
  return isAnthropic ? `${base}/v1/models` : `${base}/models`;
}

function authorization({ api, apiKey }: ResolvedProvider): Record<string, string> {
  if (api === "anthropic-messages") {
    return { "anthropic-version": "2023-06-01", ...(apiKey === undefined ? {} : { "x-api-key": apiKey }) };
  }
  return apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
}

/** The code alone: messages of the client quote URLs and headers. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "no answer";
  if (error.name === "TimeoutError") return `no answer within ${ANSWER_MS_MAX / 1_000} s`;
  const { cause } = error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
  return code ?? "the request could not be made";
}
