-- How many runs of an index are in each of some groups of their status, as they are at one moment: a run that moves between
-- two counts would be in both of them, or in none. A script and not MULTI, for the reason that page.lua has.
-- KEYS: runs
-- ARGV: groups...
-- Reply: for each group how many there are.
-- Keeps: R1 (it changes nothing).
local runs_key = KEYS[1]

local reply = {}
for i, group in ipairs(ARGV) do
  reply[i] = redis.call('ZLEXCOUNT', runs_key, '[' .. group .. '/', '[' .. group .. '/~')
end
return reply
