import { expect, test } from "vitest";
import { poolPath } from "./pool-path.ts";

test.each([
  ["/v1/pools", "/v1/pools"],
  ["/v1/pools?x=/a", "/v1/pools?x=/a"],
  ["/v1/pools/openai/gpt-5.2", "/v1/pools/openai%2Fgpt-5.2"],
  ["/v1/pools/openai%2Fgpt-5.2", "/v1/pools/openai%2Fgpt-5.2"],
  ["/v1/pools/openai/gpt-5.2/pause", "/v1/pools/openai%2Fgpt-5.2/pause"],
  ["/v1/pools/openai%2fgpt-5.2/resume?a=b/c", "/v1/pools/openai%2fgpt-5.2/resume?a=b/c"],
  ["/v1/pools/gateway/meta/llama-4:free/pause", "/v1/pools/gateway%2Fmeta%2Fllama-4:free/pause"],
  ["/v1/pools/openai/pause", "/v1/pools/openai%2Fpause"],
  ["/v1/pools/openai/gpt-5.2/", "/v1/pools/openai/gpt-5.2/"],
  ["/v1/runs/a/pause", "/v1/runs/a/pause"],
])("%s is routed as %s", (url, routed) => {
  expect(poolPath(url)).toBe(routed);
});
