-- The reconciler (or an operator) gives a run a new queue entry, if it is exactly as it was seen.
-- KEYS: run, spec, needs, log, phases, events, idem_prefix, status, live, backlog, pools, deadlines, feed
-- ARGV: id, op, status, ticket, epoch, claim
-- Reply: {requeued | duplicate, ticket, pool} | {moved, status}
-- Keeps: R1 (compare and set, and the operation id), R2, R4 (never re-adds an id: the ticket rises).
local keys = transition_keys()
local id, op, status, ticket, epoch, claim = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]

local run = load_run(keys.run)
if not run then return { 'moved', 'gone' } end
if op_seen(run.ops, op) then return { 'duplicate', int(run.ticket), run.pool } end
if run.status ~= status or run.ticket ~= ticket or run.epoch ~= epoch or run.claim ~= claim
  or (status ~= 'queued' and status ~= 'running') then
  return { 'moved', run.status }
end
local now = now_ms()
redis.call('HSET', keys.run, 'ops', op_push(run.ops, op))
if run.pausing then
  park(keys, run, id, 'paused', now)
  return { 'moved', 'waiting' }
end
-- A run that waits for its time keeps waiting for it.
local not_before = tonumber(redis.call('HGET', keys.run, 'not_before') or '0')
local next_ticket = enqueue(keys, run, id, run.pool, math.max(0, not_before - now), now)
return { 'requeued', int(next_ticket), run.pool }
