/**
 * What is wrong with an input, in one line that people can act on: `model.0: a model id is provider/model, …;
 * input: …`. Where several forms are allowed and none fits, the form that came nearest is described.
 */
import type { z } from "zod";

type Issue = z.core.$ZodIssue;

interface Misfit {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  /** It is something else altogether: text where an object is asked for, another literal. */
  readonly isForeign: boolean;
}

const MISFITS_MAX = 5;
const LINE_CHARS_MAX = 1_000;

/** The issues of a zod error in one line, the fields by their paths. */
export function describeIssues(error: { readonly issues: readonly Issue[] }): string {
  const misfits = error.issues.flatMap(misfitsOf).slice(0, MISFITS_MAX);
  const line = misfits
    .map(({ path, message }) => (path.length === 0 ? message : `${path.map(String).join(".")}: ${message}`))
    .join("; ");
  return line.length > LINE_CHARS_MAX ? `${line.slice(0, LINE_CHARS_MAX - 1)}…` : line;
}

function misfitsOf(issue: Issue): readonly Misfit[] {
  const { path, code, message } = issue;
  const below = (misfit: Misfit): Misfit => ({
    ...misfit,
    path: [...path, ...misfit.path],
    isForeign: misfit.isForeign && path.length === 0,
  });
  if (code === "invalid_union" && issue.errors.length > 0) {
    const misfits = nearest(issue.errors.map((issues) => issues.flatMap(misfitsOf)));
    // A union that says in its own words what it takes says more than its forms, unless one of them was begun.
    const hasWords = message !== "Invalid input" && misfits.every((misfit) => misfit.path.length === 0);
    const isForeign = misfits.every((misfit) => misfit.isForeign);
    return (hasWords ? [{ path: [], message, isForeign }] : misfits).map(below);
  }
  // What is wrong with the key of a record says more than that it is wrong.
  if (code === "invalid_key") return issue.issues.flatMap(misfitsOf).map(below);
  const isForeign = path.length === 0 && (code === "invalid_type" || code === "invalid_value");
  return [{ path, message: message.replace(/^Invalid (input|option): /, ""), isForeign }];
}

/**
 * Of forms that do not fit, the nearest: not a foreign one if there is another, then the one whose outermost
 * misfit lies deepest, then the one with the fewest. Forms that miss by the same field alone are alternatives.
 */
function nearest(forms: readonly (readonly Misfit[])[]): readonly Misfit[] {
  const begun = forms.filter((form) => !form.some((misfit) => misfit.isForeign));
  const candidates = begun.length > 0 ? begun : forms;
  const depthOf = (form: readonly Misfit[]) => Math.min(...form.map(({ path }) => path.length));
  const rank = (a: readonly Misfit[], b: readonly Misfit[]) => depthOf(b) - depthOf(a) || a.length - b.length;
  const [best = []] = candidates.toSorted(rank);
  const [first] = best;
  if (first === undefined || best.length > 1) return best;
  const field = first.path.join(".");
  const alternatives = candidates.filter(
    (form) => form.length === 1 && form.every(({ path }) => path.join(".") === field),
  );
  const messages = new Set(alternatives.flat().map(({ message }) => message));
  return [{ ...first, message: [...messages].join(", or ") }];
}
