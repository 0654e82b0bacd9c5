/**
 * Answers that many ask for again and again, each of whom wants one that was asked for after it came: whoever was woken by a
 * change must not be told what was before it. Those who come while an answer is under way share the next one, so however many
 * they are, one question is asked at a time.
 */
export class FreshAnswers<Answer> {
  readonly #underWay = new Map<string, { readonly now: Promise<Answer>; next?: Promise<Answer> }>();

  get(key: string, ask: () => Promise<Answer>): Promise<Answer> {
    const known = this.#underWay.get(key);
    if (known === undefined) return this.#begin(key, ask);
    known.next ??= known.now.then(
      () => this.#begin(key, ask),
      () => this.#begin(key, ask),
    );
    return known.next;
  }

  #begin(key: string, ask: () => Promise<Answer>): Promise<Answer> {
    const now = ask().finally(() => {
      // Who comes from here on begins anew, unless somebody waits to.
      if (entry.next === undefined) this.#underWay.delete(key);
    });
    const entry: { readonly now: Promise<Answer>; next?: Promise<Answer> } = { now };
    this.#underWay.set(key, entry);
    return now;
  }
}
