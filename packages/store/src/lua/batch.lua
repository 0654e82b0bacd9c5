-- Opens a batch, or sets what is said of it. One that gets no run does not stay for ever.
-- KEYS: batch, runs, batches
-- ARGV: id, how, idle_ms, made, field and value in turn...
-- how: open | set | sweep | renew; one that was opened before stays as it is, but is no longer told to be whole. sweep:
-- takes it out of the list of batches when it is gone. renew: other shards have runs of it. idle_ms: how long a batch
-- without runs is kept; its first run keeps it from then on. made: the time at which it was made on another shard, or ''.
-- Reply: {opened | known | set, created} | {swept | kept}
-- Keeps: R1 (sent twice it says the same; it changes no run).
local batch_key, runs_key, batches_key = KEYS[1], KEYS[2], KEYS[3]
local id, how, idle_ms, made = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local first_field = 5
local spaces = spaces_of(string.match(KEYS[1], '^{[^}]+}'))

if how == 'sweep' then
  if redis.call('EXISTS', batch_key) == 1 then return { 'kept' } end
  unlist_batch(batches_key, spaces, id)
  return { 'swept' }
end
if how == 'renew' then
  if redis.call('EXISTS', runs_key) == 0 then redis.call('PEXPIRE', batch_key, idle_ms) end
  return { 'kept' }
end
if how == 'open' and redis.call('HSETNX', batch_key, 'opened', '1') == 0 then
  redis.call('HDEL', batch_key, 'lines')
  return { 'known', redis.call('HGET', batch_key, 'created') }
end
local at = made ~= '' and made or now_ms()
if redis.call('HSETNX', batch_key, 'created', at) == 1 then list_batch(batches_key, spaces, id, at) end
if #ARGV >= first_field then redis.call('HSET', batch_key, unpack(ARGV, first_field)) end
if redis.call('EXISTS', runs_key) == 0 then redis.call('PEXPIRE', batch_key, idle_ms) end
-- With another budget, its runs may go on.
local admission = admission_of(string.match(KEYS[1], '^{[^}]+}'))
for _, pool in ipairs(redis.call('HKEYS', batch_key .. ':pools')) do
  redis.call('ZADD', admission.asleep_prefix .. pool, 'XX', 0, id)
end
redis.call('PUBLISH', admission.admission, '')
return { how == 'open' and 'opened' or 'set', redis.call('HGET', batch_key, 'created') }
