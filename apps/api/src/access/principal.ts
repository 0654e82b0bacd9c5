/** Who asks, and what may be done in that name. */
import { API_KEY_SCOPES, type ApiKeyRecord, type ApiKeyScope } from "@baton/store";

/** `read`: look at runs, batches and pools. `submit`: make and steer runs and batches. `operate`: steer pools. */
export const SCOPES = API_KEY_SCOPES;
export type Scope = ApiKeyScope;

export interface Principal {
  /** Id of the API key; absent where the API asks for none. */
  readonly keyId?: string | undefined;
  /** Only the runs and batches of this namespace are seen; absent: all. */
  readonly namespace?: string | undefined;
  readonly scopes: ReadonlySet<Scope>;
  /** What the key bounds, of its requests and of its namespace. */
  readonly bounds?: Pick<ApiKeyRecord, "rpm" | "maxLive" | "budget"> | undefined;
}

/** Whoever comes to an API that asks for no keys: such an API listens on loopback alone. */
export const ANYONE: Principal = { scopes: new Set(SCOPES) };

/** Who shows no key where none is asked for, as at a probe: sees no runs, since no namespace is called so, and may do nothing. */
export const NOBODY: Principal = { namespace: "-", scopes: new Set() };

export function principalOf({ id, namespace, scopes, rpm, maxLive, budget }: ApiKeyRecord): Principal {
  return { keyId: id, namespace, scopes: new Set(scopes), bounds: { rpm, maxLive, budget } };
}
