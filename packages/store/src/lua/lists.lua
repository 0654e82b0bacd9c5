-- Put before the scripts that list batches: by the time at which they were opened, and those of a namespace, which are
-- called `<namespace>/<id>`, once more in a list of its own.

local function list_of_space(spaces, batch)
  local namespace = string.match(batch, '^([^/]+)/')
  return namespace and (spaces.space_prefix .. namespace .. ':batches')
end

local function list_batch(batches_key, spaces, batch, now)
  redis.call('ZADD', batches_key, now, batch)
  local own_key = list_of_space(spaces, batch)
  if own_key then redis.call('ZADD', own_key, now, batch) end
end

local function unlist_batch(batches_key, spaces, batch)
  redis.call('ZREM', batches_key, batch)
  local own_key = list_of_space(spaces, batch)
  if own_key then redis.call('ZREM', own_key, batch) end
end
