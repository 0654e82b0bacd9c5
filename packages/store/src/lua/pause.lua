-- Pauses a run: a queued one waits at once, a running one at its next commit or claim.
-- KEYS: run
-- ARGV: op
-- Reply: {paused | pausing | duplicate} | {refused, status} | {gone}
-- Keeps: R1, R2, R4 (waiting has a reason).
local keys = keys_of(KEYS[1])
local op = ARGV[1]

local run = load_run(keys.run)
if not run then return { 'gone' } end
if op_seen(run.ops, op) then return { 'duplicate' } end
if not is_live(run.status) then return { 'refused', run.status } end
local ops = op_push(run.ops, op)
if run.status == 'running' then
  redis.call('HSET', keys.run, 'pausing', '1', 'ops', ops)
  return { 'pausing' }
end
park(keys, run, run.pool, 'paused', now_ms(), { 'ops', ops })
return { 'paused' }
