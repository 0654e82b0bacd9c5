/**
 * The parameters of a plain function, read from its source: JavaScript keeps no types, and names are all that a
 * model can be told. Only plain names are read (with or without a default); what is written otherwise, as a
 * pattern or a rest, needs a schema of its own.
 */

export interface Parameter {
  readonly name: string;
  /** Without a default, so that a call must give it. */
  readonly required: boolean;
}

const HEAD = /^(?:async\b\s*)?(?:function\b\s*\*?\s*)?(?:[\w$]+\s*)?\(/;
const NATIVE = /\{\s*\[native code\]\s*\}\s*$/;
const LONE = /^(?:async\s+)?([\w$]+)\s*=>/;
const ENTRY = /^([\p{ID_Start}$_][\p{ID_Continue}$]*)(\s*=[\s\S]*)?$/u;

/** The parameters in order, or undefined when they cannot be told. */
export function parameterNames(source: string): readonly Parameter[] | undefined {
  // What the engine or `bind` made shows no parameters, whatever it takes.
  if (NATIVE.test(source)) return undefined;
  const code = source.replace(/\/\*[\s\S]*?\*\//g, " ").replace(/\/\/[^\n]*/g, " ");
  const lone = LONE.exec(code)?.[1];
  if (lone !== undefined) return [{ name: lone, required: true }];
  const head = HEAD.exec(code);
  const list = head === null ? undefined : splitList(code.slice(head[0].length));
  if (list === undefined) return undefined;
  const parameters: Parameter[] = [];
  for (const entry of list) {
    const match = ENTRY.exec(entry.trim());
    if (match?.[1] === undefined) return undefined;
    parameters.push({ name: match[1], required: match[2] === undefined });
  }
  return parameters;
}

/** Splits at the commas of the list itself, up to the bracket that closes it. */
function splitList(code: string): readonly string[] | undefined {
  const entries: string[] = [];
  let depth = 0;
  let quote = "";
  let entry = "";
  for (const char of code) {
    if (quote !== "") {
      if (char === quote) quote = "";
    } else if (char === '"' || char === "'" || char === "`") quote = char;
    else if ("([{".includes(char)) depth += 1;
    else if (depth === 0 && char === ")") {
      return entry.trim() === "" ? entries : [...entries, entry];
    } else if (")]}".includes(char)) depth -= 1;
    if (depth === 0 && quote === "" && char === ",") {
      entries.push(entry);
      entry = "";
    } else entry += char;
  }
  return undefined;
}
