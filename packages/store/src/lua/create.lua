-- Creates a run with its first items, or finds the one that the same submission made before (R8).
-- KEYS: run
-- ARGV: spec, needs, pool, priority, delay_ms, timeout_ms, body_hash, idem_digest, phase, batch, custom_id, admit,
--       forked, trace, namespace, until_ms, items...
-- phase: where the run begins; not 0 in a fork. forked: `<run id> <items>` that it began with, or ''.
-- admit: 1 when the run waits for its admission with others of its batch: its ticket is 0, and no job is added.
-- trace: the submitter's trace context, or ''. namespace: whose run it is, or ''. until_ms: the time from which on no run may be
--   made any more, because the room for it is given to others then, or ''.
-- Reply: {created | exists, id, ticket, pool} | {conflict, id, known_hash, ticket, pool} | {late}; known_hash: what the body
--        of that run was kept by. With encryption keys it may be the same body, kept by another key: the caller knows.
-- Keeps: R1 (the same id or key again changes nothing), R4 (the run enters its pool), R8.
local keys = keys_of(KEYS[1])
local spec, needs, pool, priority = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local delay_ms, timeout_ms, body_hash, idem_digest = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[8]
local phase, batch, custom_id, admit = ARGV[9], ARGV[10], ARGV[11], ARGV[12] == '1'
local forked, trace, namespace, until_ms = ARGV[13], ARGV[14], ARGV[15], ARGV[16]
local first_item = 17
local idem_key = keys.idem_prefix .. idem_digest

if idem_digest ~= '' then
  local known = redis.call('GET', idem_key)
  if known then
    local known_id, known_hash = string.match(known, '^(%S+) (%S+)$')
    -- The known run's key has the form of ours, with its own id in it.
    local known_key = string.gsub(keys.run, keys.id, known_id, 1)
    local state = redis.call('HMGET', known_key, 'ticket', 'pool')
    -- A key whose run is gone is gone with it.
    if state[1] then
      if known_hash ~= body_hash then return { 'conflict', known_id, known_hash, state[1], state[2] } end
      return { 'exists', known_id, state[1], state[2] }
    end
  end
end
local state = redis.call('HMGET', keys.run, 'ticket', 'pool')
if state[1] then return { 'exists', keys.id, state[1], state[2] } end

local now = now_ms()
if until_ms ~= '' and now >= tonumber(until_ms) then return { 'late' } end
local len = #ARGV - first_item + 1
local ticket = admit and 0 or 1
-- A small hash is a list that is searched from its front: what claim and commit read stands first, in their order,
-- and is there from the start, because what is absent is searched for to the end. A worker from before there were
-- namespaces would not count what their runs spend, so these have the version that it does not take.
redis.call('HSET', keys.run, 'status', 'queued', 'pool', pool, 'ticket', ticket, 'epoch', 1, 'claim', '', 'phase', phase,
  'len', len, 'ops', '', 'pausing', '', 'attempts', 0, 'turns', 0, 'started', '', 'usage', '0 0 0 0 0 0',
  'batch', batch, 'committed', '', 'handoffs', 0, 'total_turns', 0, 'crashes', 0, 'tries', 0, 'not_before', '', 'deadline', '',
  'v', namespace ~= '' and 4 or 3, 'rev', 1, 'takeovers', 0, 'unfit_since', '', 'priority', priority, 'needs', needs ~= '' and 1 or '',
  'rested', '', 'trace', trace, 'created', now, 'updated', now)
redis.call('SET', keys.spec, spec)
if needs ~= '' then redis.call('SET', keys.needs, needs) end
for i = first_item, #ARGV do redis.call('RPUSH', keys.log, ARGV[i]) end
if idem_digest ~= '' then
  redis.call('SET', idem_key, keys.id .. ' ' .. body_hash)
  redis.call('HSET', keys.run, 'idem', idem_digest)
end
if delay_ms > 0 then redis.call('HSET', keys.run, 'not_before', now + delay_ms) end
if timeout_ms > 0 then
  redis.call('HSET', keys.run, 'deadline', now + timeout_ms)
  redis.call('ZADD', keys.deadlines, now + timeout_ms, keys.id)
end
index_status(keys.status, keys, nil, 'live')
if batch ~= '' then
  redis.call('HSET', keys.run, 'custom_id', custom_id)
  index_status(keys.batch_prefix .. batch .. ':runs', keys, nil, 'live')
  redis.call('PERSIST', keys.batch_prefix .. batch)
  if redis.call('HSETNX', keys.batch_prefix .. batch, 'created', now) == 1 then
    list_batch(admission_of(keys.tag).batches, spaces_of(keys.tag), batch, now)
  end
end
if namespace ~= '' then
  redis.call('HSET', keys.run, 'namespace', namespace)
  local spaces = spaces_of(keys.tag)
  index_status(spaces.space_prefix .. namespace .. ':runs', keys, nil, 'live')
  redis.call('SADD', spaces.namespaces, namespace)
end
if forked ~= '' then redis.call('HSET', keys.run, 'forked', forked) end
if admit then
  enter_admission(keys, batch, pool, priority, delay_ms > 0 and now + delay_ms or 0)
else
  enter_pool(keys, batch, pool, now)
end
feed(keys, 'queued', pool)
return { 'created', keys.id, ticket, pool }
