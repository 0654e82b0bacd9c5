/** What a simulated model answers, before it takes the form of a provider's API. */
export interface SimulatedReply {
  /** What the model is doing, for the journal. */
  readonly step: "search" | "read" | "hand_over" | "write" | "nothing_to_write";
  readonly text: string;
  readonly calls: readonly SimulatedCall[];
}

export interface SimulatedCall {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** Stands in every text that a simulated model writes. */
export const SIMULATED_MARK = "simulated model";
