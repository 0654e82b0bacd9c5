-- Corrects a pool's backlog count, if it is exactly as it was seen.
-- KEYS: backlog
-- ARGV: pool, seen, actual
-- Reply: {corrected | moved}
-- Keeps: R1 (compare and set), R4 (a wrong count would hide a missing entry).
local backlog_key = KEYS[1]
local pool, seen, actual = ARGV[1], ARGV[2], ARGV[3]

if (redis.call('HGET', backlog_key, pool) or '0') ~= seen then return { 'moved' } end
redis.call('HSET', backlog_key, pool, actual)
return { 'corrected' }
