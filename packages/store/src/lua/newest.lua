-- Runs of an index on one shard, newest first, by groups of their status, as they are at one moment: page.lua the other way
-- round.
-- KEYS: runs
-- ARGV: limit, upper and lower of each group in turn...
-- Reply: for each group its members, at most limit.
-- Keeps: R1 (it changes nothing).
local runs_key, limit = KEYS[1], ARGV[1]

local reply = {}
for i = 2, #ARGV, 2 do
  reply[#reply + 1] = redis.call('ZREVRANGEBYLEX', runs_key, ARGV[i], ARGV[i + 1], 'LIMIT', 0, limit)
end
return reply
