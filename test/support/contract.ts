/**
 * The strict stranger: holds answers against `/openapi.json` alone, by JSON Schema and without Baton's own schemas. An
 * answer is right when its operation, its status, its media type, its body and the headers that go with it all stand in
 * the document.
 */
import { Ajv2020, type AnySchema, type ValidateFunction } from "ajv/dist/2020.js";
import { createParser } from "eventsource-parser";

interface Media {
  readonly schema?: AnySchema;
  readonly "x-item-schema"?: AnySchema;
}

interface Response {
  readonly content?: Readonly<Record<string, Media>>;
  readonly headers?: Readonly<Record<string, { readonly $ref: string }>>;
}

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: AnySchema }[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<Record<string, Response | { readonly $ref: string }>>;
}

export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, AnySchema>>;
    readonly responses: Readonly<Record<string, Response>>;
    readonly headers: Readonly<Record<string, { readonly schema: AnySchema; readonly required?: boolean }>>;
  };
}

export interface ToldAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export interface Contract {
  /** What is wrong with the answer by the document, in sentences; none when all is right. */
  faultsOf(method: string, path: string, answer: ToldAnswer): readonly string[];
  /** What the document finds wrong with a body that is sent as JSON. */
  bodyFaultsOf(operationId: string, body: unknown): readonly string[];
  readonly operationIds: readonly string[];
  /** `operationId status` of each answer that was looked at. */
  readonly seen: ReadonlySet<string>;
}

/** RFC 3339. */
const DATE_TIME =
  /^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

/** `unicode`: whether patterns are read with JavaScript's flag `u`, which readers of JSON Schema differ in. */
export function contractOf(document: OpenApiDocument, { unicode = true } = {}): Contract {
  const ajv = new Ajv2020({ strict: false, allErrors: true, unicodeRegExp: unicode });
  ajv.addFormat("date-time", DATE_TIME);
  ajv.addSchema({ ...document, $id: "baton:" });
  const known = new Map<AnySchema, ValidateFunction>();
  const faultsIn = (schema: AnySchema, value: unknown): string[] => {
    const validate = known.get(schema) ?? ajv.compile(atHome(schema));
    known.set(schema, validate);
    if (validate(value)) return [];
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  };
  const seen = new Set<string>();
  const operations = Object.entries(document.paths).flatMap(([template, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ template, method, operation })),
  );
  return {
    seen,
    operationIds: operations.map(({ operation }) => operation.operationId),
    faultsOf(method, path, answer) {
      const at = operations.find(
        (one) => one.method === method.toLowerCase() && isAt(one.template, path.split("?", 1)[0] ?? ""),
      );
      if (at === undefined) return [`${method} ${path} is not in the document`];
      const { operationId, responses } = at.operation;
      seen.add(`${operationId} ${answer.status}`);
      const told = responses[answer.status] ?? responses[`${String(answer.status)[0]}XX`];
      const response = responseOf(document, told ?? (answer.status < 400 ? undefined : responses.default));
      if (response === undefined) return [`${operationId} does not tell of ${answer.status}`];
      return [
        ...headerFaults(document, response, answer, faultsIn),
        ...contentFaults(response, answer, faultsIn),
      ].map((fault) => `${operationId} ${answer.status}: ${fault}`);
    },
    bodyFaultsOf(operationId, body) {
      const found = operations.find(({ operation }) => operation.operationId === operationId);
      const schema = found?.operation.requestBody?.content["application/json"]?.schema;
      return schema === undefined ? [`${operationId} takes no JSON`] : faultsIn(schema, body);
    },
  };
}

function responseOf(
  { components }: OpenApiDocument,
  told: Response | { readonly $ref: string } | undefined,
): Response | undefined {
  return told !== undefined && "$ref" in told ? components.responses[nameOf(told.$ref)] : told;
}

function nameOf(ref: string): string {
  return ref.slice(ref.lastIndexOf("/") + 1);
}

type FaultsIn = (schema: AnySchema, value: unknown) => string[];

/** Headers that are told of must keep to their schemas, and be there unless they are optional. */
function headerFaults(
  { components }: OpenApiDocument,
  response: Response,
  { headers }: ToldAnswer,
  faultsIn: FaultsIn,
): string[] {
  return Object.entries(response.headers ?? {}).flatMap(([name, { $ref }]) => {
    const told = components.headers[nameOf($ref)];
    if (told === undefined) return [`${name} leads nowhere`];
    const value = headers.get(name);
    if (value === null) return told.required === true ? [`the header ${name} is missing`] : [];
    const type = typeof told.schema === "object" ? told.schema.type : undefined;
    const read = type === "integer" || type === "number" ? Number(value) : value;
    return faultsIn(told.schema, read).map((fault) => `header ${name}: ${fault}`);
  });
}

function contentFaults(response: Response, { headers, text }: ToldAnswer, faultsIn: FaultsIn): string[] {
  if (response.content === undefined) return text === "" ? [] : ["it has a body, and none is told of"];
  const type = headers.get("content-type")?.split(";", 1)[0]?.trim() ?? "none";
  const media = response.content[type];
  if (media === undefined) return [`the media type ${type} is not told of`];
  if (type === "application/json") {
    const value: unknown = JSON.parse(text);
    return media.schema === undefined ? ["it has no schema"] : faultsIn(media.schema, value);
  }
  const item = media["x-item-schema"];
  if (item === undefined) return [];
  return piecesOf(type, text).flatMap((piece) => {
    const value: unknown = JSON.parse(piece);
    return faultsIn(item, value).map((fault) => `${piece.slice(0, 80)}: ${fault}`);
  });
}

function piecesOf(type: string, text: string): string[] {
  if (type !== "text/event-stream") return text.split("\n").filter((line) => line !== "");
  const pieces: string[] = [];
  createParser({ onEvent: ({ data }) => pieces.push(data) }).feed(text);
  return pieces;
}

/** References of the document, from a schema that is compiled by itself. */
function atHome(schema: AnySchema): AnySchema {
  return JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', '"$ref":"baton:#/'));
}

function isAt(template: string, path: string): boolean {
  const pattern = template.replaceAll(/[.*+?^$()|[\]\\]/g, "\\$&").replaceAll(/\{[^}]+\}/g, "[^/]+");
  return new RegExp(`^${pattern}$`).test(path);
}
