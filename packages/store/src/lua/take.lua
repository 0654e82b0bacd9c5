-- Takes a request from the bucket of an API key, which fills evenly: so many a minute, and as many at once after a rest.
-- KEYS: bucket
-- ARGV: op, per_minute
-- Reply: {taken | empty, how many are left, milliseconds until the next one, milliseconds until the bucket is full}
-- Keeps: R1 (the last call that is sent twice takes once, by its op; it changes no run).
--
-- Fields: `full_at`, the time at which the bucket is full again, which is all that a bucket is; `op`, who took last. A bucket
-- that is full is gone.
local bucket_key = KEYS[1]
local op, per_minute = ARGV[1], tonumber(ARGV[2])

local MINUTE_MS = 60000
local step_ms = MINUTE_MS / per_minute
local now = now_ms()
local values = redis.call('HMGET', bucket_key, 'full_at', 'op')
-- A limit that was lowered empties the bucket by a minute at most.
local full_at = math.min(math.max(tonumber(values[1] or '') or 0, now), now + MINUTE_MS)
local said = 'taken'
if values[2] ~= op then
  -- Fractions of a millisecond are rounded, so that the last of a minute's requests is not refused for them.
  if full_at + step_ms > now + MINUTE_MS + 0.5 then
    said = 'empty'
  else
    full_at = full_at + step_ms
    redis.call('HSET', bucket_key, 'full_at', string.format('%.3f', full_at), 'op', op)
    redis.call('PEXPIRE', bucket_key, math.ceil(full_at - now))
  end
end
local room_ms = now + MINUTE_MS - full_at
local left = math.floor((room_ms + 0.5) / step_ms)
local next_ms = left > 0 and 0 or math.ceil(step_ms - room_ms)
return { said, left, next_ms, math.ceil(full_at - now) }
