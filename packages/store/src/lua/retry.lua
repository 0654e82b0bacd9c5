-- Puts a failed or cancelled run back to work, in its last phase, from its last written item (R6).
-- KEYS: run, spec, needs, log, phases, events, idem_prefix, status, live, backlog, pools, deadlines, feed
-- ARGV: id, op, epoch, len, pool, timeout_ms, items...
-- epoch: the one that the caller saw. pool: '' keeps it. timeout_ms: a new one for a run that has a deadline.
-- items: the record of this retry, and what the caller adds to the conversation; they continue `len`.
-- Reply: {retried | duplicate, ticket, pool} | {refused, status} | {moved} | {gone}
-- Keeps: R1, R2, R4, R6 (recorded in the log).
local keys = transition_keys()
local id, op, epoch, len, pool, timeout_ms =
  ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local first_item = 7

local run = load_run(keys.run)
if not run then return { 'gone' } end
if op_seen(run.ops, op) then return { 'duplicate', int(run.ticket), run.pool } end
if run.status ~= 'failed' and run.status ~= 'cancelled' then return { 'refused', run.status } end
if run.epoch ~= epoch or run.len ~= len then return { 'moved' } end

local now = now_ms()
for _, key in ipairs(owned_keys(keys)) do redis.call('PERSIST', key) end
redis.call('PERSIST', keys.events)
-- The phase that was closed as failed or cancelled is opened again; with another model it stays closed.
if pool == '' or pool == run.pool then
  redis.call('RPOP', keys.phases)
  pool = run.pool
else
  run.phase = run.phase + 1
  redis.call('HSET', keys.run, 'phase', int(run.phase), 'attempts', '0', 'turns', '0', 'started', '0',
    'usage', '0 0 0 0 0')
end
for i = first_item, #ARGV do redis.call('RPUSH', keys.log, ARGV[i]) end
redis.call('HSET', keys.run, 'len', int(run.len + #ARGV - first_item + 1), 'ops', op_push(run.ops, op),
  'crashes', '0', 'tries', '0')
redis.call('HDEL', keys.run, 'ended', 'error_code', 'error_message', 'deadline')
if timeout_ms > 0 then
  redis.call('HSET', keys.run, 'deadline', int(now + timeout_ms))
  redis.call('ZADD', keys.deadlines, int(now + timeout_ms), id)
end
local ticket = enqueue(keys, run, id, pool, 0, now)
redis.call('XADD', keys.feed, 'MAXLEN', '~', 10000, '*', 'run', id, 'status', 'queued', 'pool', pool)
return { 'retried', int(ticket), pool }
