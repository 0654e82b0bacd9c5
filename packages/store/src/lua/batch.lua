-- Opens a batch, or sets what is said of it. One that gets no run does not stay for ever.
-- KEYS: batch, runs, batches
-- ARGV: id, how, idle_ms, field and value in turn...
-- how: open | set; to open one that is open already changes nothing. idle_ms: how long a batch without runs is kept;
-- its first run keeps it from then on.
-- Reply: {opened | known | set}
-- Keeps: R1 (sent twice it says the same; it changes no run).
local batch_key, runs_key, batches_key = KEYS[1], KEYS[2], KEYS[3]
local id, how, idle_ms = ARGV[1], ARGV[2], ARGV[3]
local first_field = 4

if how == 'open' then
  if redis.call('HSETNX', batch_key, 'opened', '1') == 0 then return { 'known' } end
end
local now = now_ms()
if redis.call('HSETNX', batch_key, 'created', now) == 1 then redis.call('ZADD', batches_key, now, id) end
if #ARGV >= first_field then redis.call('HSET', batch_key, unpack(ARGV, first_field)) end
if redis.call('EXISTS', runs_key) == 0 then redis.call('PEXPIRE', batch_key, idle_ms) end
return { how == 'open' and 'opened' or 'set' }
