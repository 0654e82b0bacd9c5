/**
 * Answers that many ask for at the same moment, asked once. All watchers of a run are woken by the same hint and want the
 * same events: one of them reads, and the others get what it read. An answer is shared only while it is under way; what
 * it is about stands in its key, and so must how fresh it has to be.
 */
export class SharedAnswers<Answer> {
  readonly #underWay = new Map<string, Promise<Answer>>();

  get(key: string, ask: () => Promise<Answer>): Promise<Answer> {
    const known = this.#underWay.get(key);
    if (known !== undefined) return known;
    const answer = ask().finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, answer);
    return answer;
  }
}
