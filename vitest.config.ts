/**
 * `unit` needs nothing; `redis` starts real Redis servers, one for each test file that asks; `browser` and
 * `containers` need a browser and a Docker engine, and run only when they are asked for.
 */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.ts", "apps/*/src/**/*.test.ts"],
          exclude: ["**/node_modules/**", "**/*.redis.test.ts"],
          testTimeout: 10_000,
        },
      },
      {
        test: {
          name: "redis",
          include: ["packages/**/*.redis.test.ts", "apps/**/*.redis.test.ts", "test/**/*.test.ts"],
          exclude: ["**/node_modules/**", "test/browser/**", "test/containers/**"],
          testTimeout: 30_000,
          // The first server of a machine may have to be downloaded.
          hookTimeout: 120_000,
        },
      },
      onDemand("browser"),
      onDemand("containers"),
    ],
    coverage: {
      include: ["packages/*/src/**", "apps/*/src/**"],
      exclude: ["**/*.test.ts"],
    },
  },
});

function onDemand(name: "browser" | "containers") {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      testTimeout: 120_000,
      hookTimeout: 300_000,
      fileParallelism: false,
    },
  };
}
