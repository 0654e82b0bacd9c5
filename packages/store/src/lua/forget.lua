-- Takes runs whose keys have expired out of the indexes; the last one of a batch takes the batch's keys along, or leaves
-- what it spent for keep_ms, because other shards may have runs of it (0: there are none). What a namespace spent stays:
-- a budget for all that it ever does is held against it.
-- KEYS: runs...
-- ARGV: keep_ms, batch and namespace of each run in turn...
-- batch, namespace: '' for none.
-- Reply: how many were forgotten. One that is kept after all leaves `expiries`; one that has time left stays there.
-- Keeps: R1 (sent twice it changes nothing more), R6 (a run that is there is not touched).
local keys = keys_of(KEYS[1])
local keep_ms = ARGV[1]
local first_batch = 2

local function members_of(id)
  return 'live/' .. id, 'waiting/' .. id, 'succeeded/' .. id, 'failed/' .. id, 'cancelled/' .. id
end

local forgotten = 0
for place = 1, #KEYS do
  local id, at = string.match(KEYS[place], ':run:(.+)$'), first_batch + (place - 1) * 2
  local batch, namespace = ARGV[at], ARGV[at + 1]
  local member = expiry_member(id, batch, namespace)
  local expires_at = redis.call('PEXPIRETIME', KEYS[place])
  if expires_at >= 0 then
    redis.call('ZADD', keys.expiries, expires_at, member)
  else
    redis.call('ZREM', keys.expiries, member)
  end
  if expires_at == -2 then
    forgotten = forgotten + 1
    redis.call('ZREM', keys.status, members_of(id))
    if namespace ~= '' then
      local spaces = spaces_of(keys.tag)
      local space_key = spaces.space_prefix .. namespace
      redis.call('ZREM', space_key .. ':runs', members_of(id))
      if redis.call('EXISTS', space_key, space_key .. ':runs') == 0 then
        redis.call('SREM', spaces.namespaces, namespace)
      end
    end
    if batch ~= '' then
      local batch_key, batch_runs = keys.batch_prefix .. batch, keys.batch_prefix .. batch .. ':runs'
      redis.call('ZREM', batch_runs, members_of(id))
      redis.call('ZREM', batch_key .. ':ended', id)
      if redis.call('EXISTS', batch_runs) == 0 then
        redis.call('DEL', batch_key .. ':pools')
        if keep_ms ~= '0' then
          redis.call('PEXPIRE', batch_key, keep_ms)
        else
          redis.call('DEL', batch_key)
          unlist_batch(admission_of(keys.tag).batches, spaces_of(keys.tag), batch)
        end
      end
    end
  end
end
return forgotten
