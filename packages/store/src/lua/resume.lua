-- Takes a pause back: a waiting run is queued again, a running one that was to pause goes on.
-- KEYS: run, spec, needs, log, phases, events, idem_prefix, status, live, backlog, pools, deadlines, feed
-- ARGV: id, op
-- Reply: {resumed | duplicate, status, ticket, pool} | {refused, status} | {gone}
-- Keeps: R1, R2, R4 (the run enters its pool; the caller adds the job).
local keys = transition_keys()
local id, op = ARGV[1], ARGV[2]

local run = load_run(keys.run)
if not run then return { 'gone' } end
if op_seen(run.ops, op) then return { 'duplicate', run.status, int(run.ticket), run.pool } end
if run.status == 'running' and run.pausing then
  redis.call('HSET', keys.run, 'pausing', '0', 'ops', op_push(run.ops, op))
  return { 'resumed', 'running', int(run.ticket), run.pool }
end
if run.status ~= 'waiting' then return { 'refused', run.status } end
redis.call('HSET', keys.run, 'ops', op_push(run.ops, op))
local ticket = enqueue(keys, run, id, run.pool, 0, now_ms())
return { 'resumed', 'queued', int(ticket), run.pool }
