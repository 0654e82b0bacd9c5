import { type ConfigInput, type ModelId, modelIdSchema, parseConfig } from "@baton/core";
import { expect, test } from "vitest";
import { LimitedPools, type SettingsOf } from "./limited-pools.ts";

const id = (text: string): ModelId => modelIdSchema.parse(text);
const open = (config: ConfigInput, settings: SettingsOf = () => ({})) =>
  new LimitedPools(parseConfig(config, "the test's configuration"), settings);

test("a provider is its own account, and limits stand beside what is known of it", () => {
  const pools = open({ providers: { openai: { limits: { rpm: 500, tpm: 30_000, concurrent: 8 } } } });
  const pool = pools.of(id("openai/gpt"));
  expect(pool).toMatchObject({ model: "gpt", account: { name: "openai", concurrent: 8 } });
  expect(pool.account.dimensions).toEqual({ requests: 500, tokens: 30_000 });
  expect(pools.isLimited(pool)).toBe(true);
  expect(pools.of(id("openai/gpt"))).toBe(pool);
});

test("providers that name an account share it, with what each of them says of its limits", () => {
  const pools = open({
    providers: {
      eu: { api: "openai-chat", account: "acme", limits: { rpm: 5 } },
      us: { api: "openai-chat", account: "acme", limits: { itpm: 7, otpm: 3 } },
    },
  });
  const [eu, us] = [pools.of(id("eu/m")), pools.of(id("us/m"))];
  expect(us.account).toBe(eu.account);
  expect(eu.account.dimensions).toEqual({ requests: 5, inputTokens: 7, outputTokens: 3 });
  expect(pools.ofAccount(eu.account)).toEqual([eu, us]);
});

test("what was set live for a pool goes over the configuration, limit by limit", () => {
  const live = new Map([[id("sim/a"), { rpm: 2 }]]);
  const config = { models: { "sim/a": { limits: { rpm: 9, tpm: 90 } } } };
  const pools = open(config, (pool) => live.get(pool) ?? {});
  expect(pools.limitsOf(pools.of(id("sim/a")))).toEqual({ requests: 2, tokens: 90 });
  live.clear();
  expect(pools.limitsOf(pools.of(id("sim/a")))).toEqual({ requests: 9, tokens: 90 });
});

test("without any of these nothing limits a pool, whatever its provider is called", () => {
  const pools = open({});
  expect(pools.isLimited(pools.of(id("constructor/m")))).toBe(false);
  expect(pools.find(id("sim/never"))).toBeUndefined();
});
