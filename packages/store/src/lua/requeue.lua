-- The reconciler (or an operator) gives a run a new queue entry, if it is exactly as it was seen.
-- KEYS: run
-- ARGV: op, status, ticket, epoch, claim
-- Reply: {requeued | duplicate, ticket, pool} | {moved, status}; a run that waits for its admission has no entry that it
--        could have lost, so it is left where it is.
-- Keeps: R1 (compare and set, and the operation id), R2, R4 (never re-adds an id: the ticket rises).
local keys = keys_of(KEYS[1])
local op, status, ticket, epoch, claim = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]

local run = load_run(keys.run, 'not_before')
if not run then return { 'moved', 'gone' } end
if op_seen(run.ops, op) then return { 'duplicate', run.ticket, run.pool } end
if run.status ~= status or run.ticket ~= ticket or run.epoch ~= epoch or run.claim ~= claim
  or not is_live(status) or in_admission(run) then
  return { 'moved', run.status }
end
local now = now_ms()
if run.status == 'running' then rest(keys, run, now, true) end
local fields = { 'ops', op_push(run.ops, op) }
if run.pausing then
  park(keys, run, run.pool, 'paused', '', now, fields)
  return { 'moved', 'waiting' }
end
-- A run that waits for its time keeps waiting for it.
local not_before = tonumber(run.more[1] or '') or 0
local next_ticket = enqueue(keys, run, run.pool, math.max(0, not_before - now), now, fields, false)
return { 'requeued', next_ticket, run.pool }
