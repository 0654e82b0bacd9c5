-- Sets the whole budget of a batch; '' has no bound. A batch that gets no run does not stay for ever.
-- KEYS: batch, runs
-- ARGV: tokens_max, cost_max, idle_ms
-- idle_ms: how long a batch without runs keeps its budget; its first run keeps it from then on.
-- Reply: {set}
-- Keeps: R1 (sent twice it says the same; it changes no run).
local batch_key, runs_key = KEYS[1], KEYS[2]
local tokens_max, cost_max, idle_ms = ARGV[1], ARGV[2], ARGV[3]

redis.call('HSET', batch_key, 'tokens_max', tokens_max, 'cost_max', cost_max)
if redis.call('EXISTS', runs_key) == 0 then redis.call('PEXPIRE', batch_key, idle_ms) end
return { 'set' }
