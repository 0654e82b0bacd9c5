/** The document as plain JSON: the library's types are those of OpenAPI 3.0 and 3.1 together. */
export type Json = { [name: string]: unknown };

/** What is no object has no members. */
export function asJson(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}
