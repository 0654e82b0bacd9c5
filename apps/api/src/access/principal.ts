/** Who asks, and what may be done in that name. */

/** `read`: look at runs, batches and pools. `submit`: make and steer runs and batches. `operate`: steer pools. */
export const SCOPES = ["read", "submit", "operate"] as const;
export type Scope = (typeof SCOPES)[number];

export interface Principal {
  /** Id of the API key; absent where the API asks for none. */
  readonly keyId?: string | undefined;
  /** Only the runs and batches of this namespace are seen; absent: all. */
  readonly namespace?: string | undefined;
  readonly scopes: ReadonlySet<Scope>;
}

/** Whoever comes to an API that asks for no keys: such an API listens on loopback alone. */
export const ANYONE: Principal = { scopes: new Set(SCOPES) };
