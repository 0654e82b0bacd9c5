/**
 * Reads the source of the Lua scripts as far as the rules about keys need it: what locals are bound to, which
 * expressions name the keys of commands, and whether such an expression is a key that the script may touch: one that
 * it was given, one of `keys_of`, `admission_of` or `spaces_of`, or one that begins with a prefix of theirs or with such a key.
 */

/** The code without its comments. */
export function codeOf(lua: string): string {
  return lua.replace(/--.*$/gm, "");
}

/** `local a, b = x, f(y, z)` as pairs of a name and its expression; expressions may go over several lines. */
export function bindingsOf(code: string): readonly (readonly [name: string, expression: string])[] {
  const found: [string, string][] = [];
  for (const match of code.matchAll(/\blocal ([\w, ]+?)\s*=\s*/g)) {
    const expressions = splitArguments(statementAt(code, match.index + match[0].length));
    for (const [index, name] of (match[1] ?? "").split(",").entries())
      found.push([name.trim(), expressions[index] ?? ""]);
  }
  return found;
}

/** From `start` to the end of the statement: of its line, unless a bracket is open there or an operator joins the next. */
function statementAt(code: string, start: number): string {
  let depth = 0;
  for (let at = start; at < code.length; at += 1) {
    const char = code[at] ?? "";
    if ("([{".includes(char)) depth += 1;
    if (")]}".includes(char)) depth -= 1;
    const isJoined = /(?:[,=(]|\.\.|\b(?:and|or|not))\s*$/.test(code.slice(start, at));
    const goesOn = isJoined || /^\s*(?:\.\.|and\b|or\b)/.test(code.slice(at + 1));
    if (char === "\n" && depth <= 0 && !goesOn) return code.slice(start, at);
  }
  return code.slice(start);
}

/** Splits at the commas that stand outside of brackets and quotes, up to the bracket that closes them all. */
function splitArguments(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = "";
  let isQuoted = false;
  for (const char of text) {
    if (char === "'") isQuoted = !isQuoted;
    if (!isQuoted && "([{".includes(char)) depth += 1;
    if (!isQuoted && ")]}".includes(char)) depth -= 1;
    if (depth < 0) break;
    if (!isQuoted && char === "," && depth === 0) {
      parts.push(part.trim());
      part = "";
    } else part += char;
  }
  return [...parts, part.trim()];
}

/** Commands all of whose arguments are keys. */
const ALL_KEYS = ["'DEL'", "'UNLINK'", "'EXISTS'"];

/** The key expressions of all Redis commands, and of the prelude's function that takes a key by itself. */
export function touchedKeys(code: string): readonly string[] {
  const keys: string[] = [];
  for (const match of code.matchAll(/redis\.p?call\(/g)) {
    const [command = "", ...args] = splitArguments(code.slice(match.index + match[0].length));
    if (command === "'TIME'") continue;
    keys.push(...(ALL_KEYS.includes(command) ? args : args.slice(0, 1)));
  }
  for (const [, key = ""] of code.matchAll(/(?<!function )load_run\(([^,)]+)/g)) keys.push(key);
  return keys;
}

/** What `keys_of`, `admission_of` and `spaces_of` give to the scripts, by their names there. */
function namesOf(luaKeys: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [, from = "", body = ""] of luaKeys.matchAll(/local function (\w+)_of\(([\s\S]*?)\nend/g))
    for (const [, name = ""] of body.matchAll(/(\w+) = (?:run_key|tag) \.\. /g)) names.add(`${from}.${name}`);
  return names;
}

/** The ways in which a script may come by the hash tag of its shard. */
const TAGS = ["keys.tag", "string.match(KEYS[1], '^{[^}]+}')"];

export interface KeySource {
  readonly code: string;
  readonly luaKeys: string;
  /** Names that stand for keys which somebody else passes: parameters, and what a comment beside them tells. */
  readonly given: readonly string[];
}

/** Whether an expression is a key that the script may touch. */
export function keyJudge({ code, luaKeys, given }: KeySource): (expression: string) => boolean {
  const names = namesOf(luaKeys);
  const bindings = bindingsOf(code);
  const fields = [...code.matchAll(/(\w+) = ([^,{}]+)(?=[,}])/g)].map(
    ([, name = "", value = ""]) => [name, value.trim()] as const,
  );

  /** `keys.x`, `admission.x` or `admission_of(tag).x` by its name there; `spaces` as `admission`. */
  function nameOf(expression: string): string | undefined {
    const call = /^(admission|spaces)_of\((.+)\)\.(\w+)$/.exec(expression);
    if (call !== null) return TAGS.includes(call[2] ?? "") ? `${call[1]}.${call[3]}` : undefined;
    return names.has(expression) ? expression : undefined;
  }

  function judge(expression: string, within: readonly string[]): boolean {
    if (given.includes(expression) || /^KEYS\[[^\]]+\]$/.test(expression)) return true;
    const [head = "", ...rest] = expression.split(" .. ");
    if (rest.length > 0) {
      const isPrefix = nameOf(head)?.endsWith("_prefix") === true;
      return isPrefix || (rest[0]?.startsWith("':") === true && judge(head, within));
    }
    const name = nameOf(expression);
    if (name !== undefined) return names.has(name) && !name.endsWith("_prefix");
    if (within.includes(expression)) return false;
    const field = /^\w+\.(\w+)$/.exec(expression)?.[1];
    const values = (field === undefined ? bindings : fields).flatMap(([bound, value]) =>
      bound === (field ?? expression) ? [value] : [],
    );
    return values.length > 0 && values.every((value) => judge(value, [...within, expression]));
  }
  return (expression) => judge(expression, []);
}

/** What `keys_of`, `admission_of` and `spaces_of` are called with in the code, each with whether it may be. */
export function sourcesOf(
  code: string,
  isKey: (expression: string) => boolean,
): readonly { readonly call: string; readonly isRight: boolean }[] {
  return [...code.matchAll(/(?<!function )\b(keys|admission|spaces)_of\(/g)].map((match) => {
    const [argument = ""] = splitArguments(code.slice(match.index + match[0].length));
    const isRight = match[1] === "keys" ? isKey(argument) : TAGS.includes(argument);
    return { call: `${match[0]}${argument})`, isRight };
  });
}
