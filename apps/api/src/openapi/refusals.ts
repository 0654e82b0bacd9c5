/**
 * How calls are refused: each status that a call is known for by itself, and `default` for all others (a method that the
 * path does not take, headers that are too large). Routes say `4xx` and `5xx`, which is what holds answers against schemas;
 * in the document single statuses tell more, and some programs that make clients know no ranges.
 */
import { asJson, type Json } from "./json.ts";

interface Refusal {
  readonly name: string;
  readonly description: string;
}

const REFUSALS = {
  "400": {
    name: "BadRequest",
    description: "The request does not fit its schema, or asks for what cannot be.",
  },
  "401": { name: "Unauthorized", description: "No API key was shown, or none that is known." },
  "402": { name: "BudgetSpent", description: "The namespace of the API key has spent what it may." },
  "403": { name: "Forbidden", description: "The API key lacks the scope, or a page of another site asks." },
  "404": { name: "NotFound", description: "It is not there, or is another namespace's." },
  "409": {
    name: "Conflict",
    description: "Not in the status that it has, or the key came with another body.",
  },
  "413": { name: "TooLarge", description: "The body is larger than this API takes." },
  "415": { name: "UnsupportedMediaType", description: "The body is of another media type, or packed." },
  "429": { name: "RateLimited", description: "Too many requests, live runs or uploads: come again later." },
  "500": { name: "Internal", description: "A fault here; its log has more." },
  "503": {
    name: "Unavailable",
    description: "Redis does not answer or is full, or the API stops: come again.",
  },
  "507": { name: "NoRoom", description: "No room for the file of a batch." },
  default: { name: "Refused", description: "Any other refusal." },
} as const satisfies Readonly<Record<string, Refusal>>;

interface NamedResponse {
  readonly description: string;
  readonly headers: Record<string, { readonly $ref: string }>;
  readonly content: Record<string, { readonly schema: { readonly $ref: string } }>;
}

type Status = keyof typeof REFUSALS;

const OF_STATUS: Partial<Readonly<Record<Status, readonly string[]>>> = {
  "401": ["WWW-Authenticate"],
  "403": ["WWW-Authenticate"],
  "429": ["Retry-After"],
  "503": ["Retry-After"],
  default: ["Retry-After", "Allow"],
};

/** What clients of OpenAI call has errors of OpenAI's shape. */
const SHAPES = { Problem: "", OpenAiProblem: "OfOpenAi" } as const;

/** All refusals, for `components.responses`. */
export function refusalComponents(headersOfAll: readonly string[]): Record<string, NamedResponse> {
  const all = Object.entries(SHAPES).flatMap(([schema, ending]) =>
    // The keys are those of the table.
    (Object.keys(REFUSALS) as Status[]).map((status): [string, NamedResponse] => {
      const { name, description } = REFUSALS[status];
      const headers = [...(OF_STATUS[status] ?? []), ...headersOfAll];
      const content = { "application/json": { schema: { $ref: `#/components/schemas/${schema}` } } };
      return [name + ending, { description, headers: headersNamed(headers), content }];
    }),
  );
  return Object.fromEntries(all.filter(([name]) => name !== REFUSALS[507].name + SHAPES.OpenAiProblem));
}

export function headersNamed(names: readonly string[]): NamedResponse["headers"] {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** The responses of an operation at `path` with its ranges told one by one. */
export function withRefusals(path: string, operation: Json): Json {
  const { "4XX": wrong, "5XX": broken, ...others } = asJson(operation.responses);
  if (wrong === undefined && broken === undefined) return others;
  const ending =
    Array.isArray(operation.tags) && operation.tags.includes("openai") ? SHAPES.OpenAiProblem : "";
  const told = statusesOf(path, operation).filter((status) => others[status] === undefined);
  return {
    ...others,
    ...Object.fromEntries(
      told.map((status) => [status, { $ref: `#/components/responses/${REFUSALS[status].name}${ending}` }]),
    ),
  };
}

function statusesOf(path: string, operation: Json): readonly Status[] {
  const scope = operation["x-scope"];
  if (scope === undefined) return ["400", "default"];
  const isChange = scope === "submit";
  return [
    ...(["400", "401"] as const),
    ...(isChange && !/\/(cancel|pause)$/.test(path) ? (["402"] as const) : []),
    "403",
    ...(path.includes("{") || operation.tags?.toString() === "openai" ? (["404"] as const) : []),
    ...(isChange ? (["409"] as const) : []),
    ...(operation.requestBody === undefined ? [] : (["413", "415"] as const)),
    ...(["429", "500", "503"] as const),
    ...(operation.operationId === "submitBatch" ? (["507"] as const) : []),
    "default",
  ];
}
