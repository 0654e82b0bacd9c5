/** Things that are done one after another where they have the same name, in the order in which they were asked for. */

export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  async take<Value>(name: string, act: () => Promise<Value>): Promise<Value> {
    const before = this.#last.get(name);
    const { promise: done, resolve } = Promise.withResolvers<void>();
    this.#last.set(name, done);
    try {
      await before;
      return await act();
    } finally {
      resolve();
      if (this.#last.get(name) === done) this.#last.delete(name);
    }
  }
}
