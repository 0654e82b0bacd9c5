-- Holds a pool: its workers take no phases and call no model until it is released or the time is over.
-- KEYS: holds, control
-- ARGV: pool, how
-- how: paused | released | milliseconds. A time never shortens a hold, and never ends a pause.
-- Reply: {held | released | longer}
-- Keeps: R1 (sent twice it says the same; it changes no run).
local holds_key, control_key = KEYS[1], KEYS[2]
local pool, how = ARGV[1], ARGV[2]

if how == 'released' then
  redis.call('HDEL', holds_key, pool)
  redis.call('PUBLISH', control_key, '')
  return { 'released' }
end
local until_ms = tonumber(how) and string.format('%.0f', now_ms() + tonumber(how)) or how
local current = redis.call('HGET', holds_key, pool)
if until_ms ~= 'paused' and current and (current == 'paused' or tonumber(current) >= tonumber(until_ms)) then
  return { 'longer' }
end
redis.call('HSET', holds_key, pool, until_ms)
redis.call('PUBLISH', control_key, '')
return { 'held' }
