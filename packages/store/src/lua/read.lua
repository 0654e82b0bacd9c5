-- Reads a run as it is at one moment. A script and not MULTI, which Redis refuses when its memory is full.
-- KEYS: run
-- ARGV: how
-- how: run | all
-- Reply: {fields, phases, spec} | {fields, phases, spec, items, events}; items: `packed` when the log is.
-- Keeps: R1 (it changes nothing).
local keys = keys_of(KEYS[1])
local how = ARGV[1]

local reply = {
  redis.call('HGETALL', keys.run), redis.call('LRANGE', keys.phases, 0, -1), redis.call('GET', keys.spec),
}
if how == 'all' then
  local len = redis.call('HGET', keys.run, 'len')
  local is_packed = len and redis.call('LLEN', keys.log) ~= tonumber(len)
  reply[4] = is_packed and 'packed' or redis.call('LRANGE', keys.log, 0, -1)
  reply[5] = redis.call('XRANGE', keys.events, '-', '+')
end
return reply
