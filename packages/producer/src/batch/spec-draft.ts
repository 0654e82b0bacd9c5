/** A run spec that is put together from a body with other names, which errors are to be told in. */

export type Body = Readonly<Record<string, unknown>>;

/** A field of the body that cannot become part of a spec. */
export interface Misfit {
  readonly source: string;
  readonly why: string;
}

const MISFITS_MAX = 10;
const SOURCE_CHARS_MAX = 200;
/** Steps in the path of a part. */
const PART_LENGTH_MAX = 3;

export class Draft {
  readonly #spec: Record<string, unknown> = {};
  readonly #settings: Record<string, unknown> = {};
  readonly #labels: Record<string, unknown> = {};
  /** Path in the spec → path in the body. */
  readonly #sources = new Map<string, string>();
  readonly misfits: Misfit[] = [];

  refuse(source: string, why: string): void {
    // Nobody reads more, and a body may have tens of thousands.
    if (this.misfits.length < MISFITS_MAX)
      this.misfits.push({ source: source.slice(0, SOURCE_CHARS_MAX), why });
  }

  set(field: string, value: unknown, source: string): void {
    if (this.#spec[field] !== undefined) this.refuse(source, `it says ${field} a second time`);
    this.#spec[field] = value;
    this.#sources.set(field, source);
  }

  /** A part of a field, such as `messages.0` or `tools.0.function`, that stands elsewhere in the body. */
  part(path: string, source: string): void {
    this.#sources.set(path, source);
  }

  setting(name: string, value: unknown, source: string): void {
    if (this.#settings[name] !== undefined) this.refuse(source, `it says ${name} a second time`);
    this.#settings[name] = value;
    this.#sources.set(`settings.${name}`, source);
  }

  /** A label of the request, kept with the run. */
  label(name: string, value: unknown, source: string): void {
    this.#addLabels({ [name]: value }, source);
    this.#sources.set(`metadata.${name}`, source);
  }

  labels(values: Body, source: string): void {
    this.#addLabels(values, source);
    if (!this.#sources.has("metadata")) this.#sources.set("metadata", source);
  }

  #addLabels(values: Body, source: string): void {
    for (const [name, value] of Object.entries(values)) {
      const { [name]: before = value } = this.#labels;
      if (before !== value) this.refuse(source, `it says metadata.${name} a second time, in other words`);
    }
    Object.assign(this.#labels, values);
    // The values are checked with the spec; only their place is decided here.
    this.#spec.metadata = this.#labels;
  }

  spec(): Body {
    const hasSettings = Object.keys(this.#settings).length > 0;
    return hasSettings ? { ...this.#spec, settings: this.#settings } : this.#spec;
  }

  /** The path in the body of a path in the spec. */
  pathOf(path: readonly PropertyKey[]): PropertyKey[] {
    for (let length = Math.min(PART_LENGTH_MAX, path.length); length > 0; length -= 1) {
      const source = this.#sources.get(path.slice(0, length).map(String).join("."));
      if (source !== undefined) return ["body", source, ...path.slice(length)];
    }
    return ["body", ...path];
  }
}
