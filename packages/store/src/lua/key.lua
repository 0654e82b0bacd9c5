-- Keeps an API key, drops one, or drops all; every API process hears of it at once.
-- KEYS: api_keys
-- ARGV: op, how, id, record, keys_max
-- how: add | drop | drop_all
-- Reply: {added | dropped | known | unknown | full}. `known`: the id is another key's.
-- Keeps: R1 (sent twice it has the effect of once, by the op that stands in `rev`, and by the record where another change
--        came in between; it changes no run).
--
-- The hash has the record of each key by its id, and `rev`, which says whether a reader knows them all. `rev` outlives the
-- last key that is dropped by itself: an API for which keys were made must not open because the last one is gone.
local api_keys_key = KEYS[1]
local op, how, id, record, keys_max = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])

if how == 'drop_all' then
  redis.call('DEL', api_keys_key)
  redis.call('PUBLISH', api_keys_key, '')
  return { 'dropped' }
end
local is_again = redis.call('HGET', api_keys_key, 'rev') == op
if how == 'drop' then
  if is_again then return { 'dropped' } end
  if redis.call('HDEL', api_keys_key, id) == 0 then return { 'unknown' } end
  redis.call('HSET', api_keys_key, 'rev', op)
  redis.call('PUBLISH', api_keys_key, '')
  return { 'dropped' }
end
if is_again then return { 'added' } end
local known = redis.call('HGET', api_keys_key, id)
if known then return { known == record and 'added' or 'known' } end
if redis.call('HLEN', api_keys_key) > keys_max then return { 'full' } end
redis.call('HSET', api_keys_key, id, record, 'rev', op)
redis.call('PUBLISH', api_keys_key, '')
return { 'added' }
