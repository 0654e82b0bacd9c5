/** Keys of an API under test. */
import { type NewApiKeyGrant, openApiKeys, type RedisClient } from "@baton/store";
import { until } from "../../../../test/support/until.ts";
import { systemIds } from "../../../../test/support/worker-rig.ts";
import type { ApiRig } from "./api-rig.ts";

export interface TestKey {
  readonly id: string;
  readonly text: string;
  /** Headers that show it. */
  readonly headers: Readonly<Record<string, string>>;
}

/** May do everything in a namespace of its own, unless `grant` says otherwise. */
export async function makeKey(
  connection: RedisClient,
  grant: Partial<NewApiKeyGrant> = {},
): Promise<TestKey> {
  const { text, record } = await openApiKeys(connection, systemIds).create({
    name: "test",
    scopes: ["read", "submit", "operate"],
    ...grant,
  });
  return { id: record.id, text, headers: { authorization: `Bearer ${text}` } };
}

/** The same, and waits until the API knows it: before, one that had no keys lets everybody in. */
export async function makeKnownKey(
  api: Pick<ApiRig, "call" | "store">,
  grant: Partial<NewApiKeyGrant> = {},
): Promise<TestKey> {
  const made = await makeKey(api.store.connection, grant);
  await until(
    async () => {
      const statusWith = async (headers?: TestKey["headers"]): Promise<number> =>
        (await api.call("GET", "/v1/nothing", undefined, headers)).status;
      return (await statusWith(made.headers)) === 404 && (await statusWith()) !== 404;
    },
    { what: "the API to know the key" },
  );
  return made;
}
