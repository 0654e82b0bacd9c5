-- Pauses a run: a queued one waits at once, a running one at its next commit or claim.
-- KEYS: run, spec, needs, log, phases, events, idem_prefix, status, live, backlog, pools, deadlines, feed
-- ARGV: id, op
-- Reply: {paused | pausing | duplicate} | {refused, status} | {gone}
-- Keeps: R1, R2, R4 (waiting has a reason).
local keys = transition_keys()
local id, op = ARGV[1], ARGV[2]

local run = load_run(keys.run)
if not run then return { 'gone' } end
if op_seen(run.ops, op) then return { 'duplicate' } end
if run.status ~= 'queued' and run.status ~= 'running' then return { 'refused', run.status } end
redis.call('HSET', keys.run, 'ops', op_push(run.ops, op))
if run.status == 'running' then
  redis.call('HSET', keys.run, 'pausing', '1')
  return { 'pausing' }
end
park(keys, run, id, 'paused', now_ms())
return { 'paused' }
