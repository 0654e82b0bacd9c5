-- Changes the live settings of a pool; all workers hear of it at once.
-- KEYS: settings, control
-- ARGV: pool, name and value in turn...
-- value: a number, or '' to clear the setting.
-- Reply: {set}
-- Keeps: R1 (sent twice it says the same; it changes no run).
--
-- The hash has one field a setting, `<pool> <name>`, and `rev`, by which a worker tells whether it knows them all. It is
-- a time and no count: a count recurs when Redis loses its last writes, and would then name other settings.
local settings_key, control_key = KEYS[1], KEYS[2]
local pool = ARGV[1]

for i = 2, #ARGV, 2 do
  local field = pool .. ' ' .. ARGV[i]
  if ARGV[i + 1] == '' then
    redis.call('HDEL', settings_key, field)
  else
    redis.call('HSET', settings_key, field, ARGV[i + 1])
  end
end
local time = redis.call('TIME')
redis.call('HSET', settings_key, 'rev', time[1] .. '.' .. time[2])
redis.call('PUBLISH', control_key, '')
return { 'set' }
