-- A provider refused a call without a word on its limits: half of what was allowed is allowed from now on, and that
-- doubles each quarter of a window. What is cut of an account holds for what was learned of its models (reserve.lua). Where
-- no limit is known, the first refusal begins to count requests, if they were not, and the next one allows half of what
-- was counted.
-- KEYS: bucket, index
-- ARGV: window_ms
-- Reply: {cut}, or {cut_before} when it was cut a moment ago: refusals come in crowds
-- Keeps: R1 (sent twice it was cut a moment ago).
local bucket_key, index_key = KEYS[1], KEYS[2]
local window_ms = tonumber(ARGV[1])

local now = now_ms()
local bucket = open_bucket(bucket_key, nil, window_ms, now)
if bucket.cut_at and now - bucket.cut_at < window_ms / 12 then return { 'cut_before' } end
sweep(bucket, window_ms)
local base, since = 0, count_since(bucket, window_ms, now)
if bucket.cut_at then
  -- A window that is not over is taken for a whole one that goes on like this.
  local share = math.min(1, math.max(1 / 12, (now - since) / window_ms))
  base = math.max(CUT_LEAST, used_now(bucket, 1) / share / 2)
end
redis.call('HSET', bucket_key, 'cut', string.format('%.4f %.0f %.0f %.0f', math.max(1 / 32, bucket.factor / 2), now,
  base, now + MEMORY * window_ms))
redis.call('PEXPIRE', bucket_key, 2 * MEMORY * window_ms)
redis.call('ZADD', index_key, now, string.match(bucket_key, ':limit:(.+)$'))
return { 'cut' }
