/** The document without what says nothing: bounds that every integer of JSON has, patterns that repeat a format. */
import type { Json } from "./json.ts";

export function tidied(document: object): Json {
  const text = JSON.stringify(document, (_key, value: unknown) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    const isTime = "format" in value && value.format === "date-time";
    return Object.fromEntries(
      Object.entries(value).filter(([name, inner]) => {
        if (name === "pattern") return !isTime;
        return (name !== "minimum" && name !== "maximum") || Math.abs(inner) !== Number.MAX_SAFE_INTEGER;
      }),
    );
  });
  return JSON.parse(text);
}
