/** The live settings of all pools, as this process knows them. It hears of changes by the beat. */
import type { ModelId } from "@baton/core";
import type { PoolSettings, SettingsRevision } from "@baton/store";

const NONE: PoolSettings = {};

export class LiveSettings {
  readonly #onChange: () => void;
  #revision: SettingsRevision = { rev: "", settings: new Map() };

  constructor(onChange: () => void = () => undefined) {
    this.#onChange = onChange;
  }

  /** What the beat tells, so that it brings nothing that is known. */
  get rev(): string {
    return this.#revision.rev;
  }

  learn(revision: SettingsRevision): void {
    this.#revision = revision;
    this.#onChange();
  }

  of(pool: ModelId): PoolSettings {
    return this.#revision.settings.get(pool) ?? NONE;
  }
}
