/**
 * What the tests run, by the names that `main.ts` gives in the environment. A test file that is run by itself finds
 * the image of an earlier `docker build --tag baton:test .`.
 */
export const redisImage = (): string => process.env.BATON_TEST_REDIS_IMAGE ?? "redis:7";
export const batonImage = (): string => process.env.BATON_TEST_IMAGE ?? "baton:test";

/** On every container of a test, so that `main.ts` can take away what a test process that died has left. */
export const LABEL = "dev.baton.test";
export const labels = (): Record<string, string> => ({ [LABEL]: process.env.BATON_TEST_SESSION ?? "none" });
