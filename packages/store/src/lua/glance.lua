-- Reads the same few fields of many runs in one call: a tenth of what a command for each would cost.
-- KEYS: runs...
-- ARGV: fields...
-- Reply: for each run the list of its fields, or 'corrupt' when the key is no hash.
-- Keeps: R1 (it changes nothing).
local looks = {}
for place = 1, #KEYS do
  local values = redis.pcall('HMGET', KEYS[place], unpack(ARGV))
  looks[place] = values.err and 'corrupt' or values
end
return looks
