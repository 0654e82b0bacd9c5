/** `${NAME}` and `${NAME:-fallback}` in the configuration of a server, taken from the environment. */

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Expansion {
  /** The text with every placeholder replaced, those without a value by nothing. */
  readonly text: string;
  /** The variables that were used, with their values. */
  readonly used: readonly { readonly name: string; readonly value: string }[];
  /** The variables that have neither value nor fallback. An empty value counts as none. */
  readonly missing: readonly string[];
}

const PLACEHOLDER = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

export function expandVariables(template: string, env: Environment): Expansion {
  const used: { name: string; value: string }[] = [];
  const missing: string[] = [];
  const text = template.replace(PLACEHOLDER, (_all, name: string, fallback: string | undefined) => {
    const value = env[name] || fallback;
    if (value === undefined) missing.push(name);
    else used.push({ name, value });
    return value ?? "";
  });
  return { text, used, missing };
}
