-- Puts a failed or cancelled run back to work, in its last phase, from its last written item (R6).
-- KEYS: run
-- ARGV: op, epoch, len, pool, timeout_ms, until_ms, items...
-- epoch: the one that the caller saw. pool: '' keeps it. timeout_ms: a new one for a run that has a deadline.
-- until_ms: the time from which on the run may not be woken any more, because the room for it is given to others then, or ''.
-- items: the record of this retry, and what the caller adds to the conversation; they continue `len`.
-- Reply: {retried | duplicate, ticket, pool} | {refused, status} | {moved} | {late} | {gone}
-- Keeps: R1, R2, R4, R6 (recorded in the log).
local keys = keys_of(KEYS[1])
local op, epoch, len, pool, timeout_ms, until_ms =
  ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5]), ARGV[6]
local first_item = 7

local run = load_run(keys.run)
if not run then return { 'gone' } end
if op_seen(run.ops, op) then return { 'duplicate', run.ticket, run.pool } end
if run.status ~= 'failed' and run.status ~= 'cancelled' then return { 'refused', run.status } end
if run.epoch ~= epoch or run.len ~= len then return { 'moved' } end

local now = now_ms()
if until_ms ~= '' and now >= tonumber(until_ms) then return { 'late' } end
for _, key in ipairs(owned_keys(keys)) do redis.call('PERSIST', key) end
redis.call('PERSIST', keys.events)
redis.call('ZREM', keys.expiries, expiry_member(keys.id, run.batch, run.namespace))
if run.batch ~= '' then redis.call('ZREM', keys.batch_prefix .. run.batch .. ':ended', keys.id) end
-- The phase that was closed as failed or cancelled is opened again; with another model it stays closed.
if pool == '' or pool == run.pool then
  redis.call('RPOP', keys.phases)
  pool = run.pool
else
  run.phase = run.phase + 1
  run.started = 0
  redis.call('HSET', keys.run, 'phase', run.phase, 'attempts', '0', 'turns', '0', 'started', '',
    'usage', '0 0 0 0 0 0', 'rested', '')
end
for i = first_item, #ARGV do redis.call('RPUSH', keys.log, ARGV[i]) end
local deadline = ''
if timeout_ms > 0 then
  deadline = now + timeout_ms
  redis.call('ZADD', keys.deadlines, deadline, keys.id)
end
local ticket = enqueue(keys, run, pool, 0, now, {
  'len', run.len + #ARGV - first_item + 1, 'ops', op_push(run.ops, op), 'crashes', '0', 'tries', '0',
  'ended', '', 'error_code', '', 'error_message', '', 'deadline', deadline,
}, false)
feed(keys, 'queued', pool)
return { 'retried', ticket, pool }
