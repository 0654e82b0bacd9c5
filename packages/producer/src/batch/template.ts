/** Text with `{{column}}` places, filled from the fields of a row. */
import { BatonError } from "@baton/core";

export interface Template {
  /** The columns that it names, each once. */
  readonly columns: readonly string[];
  fill(textOf: (column: string) => string): string;
}

const PLACE = /\{\{([^{}]*)\}\}/g;

/** Throws `invalid_spec` for a place that is opened and not closed, or that names nothing. */
export function parseTemplate(text: string): Template {
  const columns: string[] = [];
  const rest = text.replace(PLACE, (_, name: string) => {
    columns.push(name.trim());
    return "";
  });
  if (rest.includes("{{") || columns.includes("")) {
    throw new BatonError(
      "invalid_spec",
      "the template has a place that is not closed or names no column: write {{column}}",
    );
  }
  return {
    columns: [...new Set(columns)],
    fill: (textOf) => text.replace(PLACE, (_, name: string) => textOf(name.trim())),
  };
}
