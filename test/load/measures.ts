/** What was measured of each kind of request. */
import type { Row } from "../bench/rows.ts";

const ERRORS_KEPT_MAX = 10;

export class Measures {
  readonly #latenciesMs = new Map<string, number[]>();
  readonly #errors = new Map<string, number>();
  /** How late this process itself was to begin. */
  readonly latenessMs: number[] = [];
  /** The first errors, in words. */
  readonly told: string[] = [];
  /** Answers that came before the end of the load, or within the second behind it. */
  inTime = 0;

  answered(kind: string, ms: number): void {
    this.#listOf(kind).push(ms);
  }

  failed(kind: string, why: string): void {
    this.#listOf(kind);
    this.#errors.set(kind, (this.#errors.get(kind) ?? 0) + 1);
    if (this.told.length < ERRORS_KEPT_MAX) this.told.push(`${kind}: ${why}`);
  }

  get errors(): number {
    return [...this.#errors.values()].reduce((sum, count) => sum + count, 0);
  }

  get kinds(): readonly string[] {
    return [...this.#latenciesMs.keys()].sort();
  }

  /** The greatest of the kinds' 99th percentiles. */
  get worstP99Ms(): number {
    return Math.max(...this.kinds.map((kind) => percentile(this.#listOf(kind), 0.99)));
  }

  rows(): readonly Row[] {
    return this.kinds.flatMap((kind): readonly Row[] => {
      const list = this.#listOf(kind);
      return [
        { name: `${kind}: answered`, value: list.length, unit: "" },
        { name: `${kind}: p50`, value: percentile(list, 0.5), unit: "ms" },
        { name: `${kind}: p99`, value: percentile(list, 0.99), unit: "ms" },
        { name: `${kind}: max`, value: percentile(list, 1), unit: "ms" },
        { name: `${kind}: errors`, value: this.#errors.get(kind) ?? 0, unit: "" },
      ];
    });
  }

  #listOf(kind: string): number[] {
    const list = this.#latenciesMs.get(kind) ?? [];
    this.#latenciesMs.set(kind, list);
    return list;
  }
}

/** Of none it is 0. */
export function percentile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? 0;
}
