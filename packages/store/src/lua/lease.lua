-- Says of calls that they are still under way: those that nobody says so of do not count among the calls at once.
-- KEYS: calls
-- ARGV: lease_ms, calls...
-- Reply: how many of them are known
-- Keeps: R1 (sent twice it says the same).
local calls_key = KEYS[1]
local lease_ms = tonumber(ARGV[1])

local ends = now_ms() + lease_ms
local known = 0
for i = 2, #ARGV do known = known + redis.call('ZADD', calls_key, 'XX', 'CH', ends, ARGV[i]) end
return known
