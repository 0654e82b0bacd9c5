-- Pauses a run: a queued one waits at once, a running one at its next commit or claim. One that waits for something
-- else waits as paused; when it goes on, it sees again what it waits for. One that was not to start yet keeps its time.
-- KEYS: run
-- ARGV: op
-- Reply: {paused | pausing | duplicate} | {refused, status} | {gone}
-- Keeps: R1, R2, R4 (waiting has a reason).
local keys = keys_of(KEYS[1])
local op = ARGV[1]

local run = load_run(keys.run, 'not_before')
if not run then return { 'gone' } end
if op_seen(run.ops, op) then return { 'duplicate' } end
local ops = op_push(run.ops, op)
if run.status == 'waiting' and redis.call('HGET', keys.run, 'reason') ~= 'paused' then
  redis.call('HSET', keys.run, 'reason', 'paused', 'detail', '', 'ops', ops)
  emit(keys, status_event(run, run.epoch, 'waiting', run.pool, { reason = 'paused' }))
  hint(keys)
  return { 'paused' }
end
if not is_live(run.status) then return { 'refused', run.status } end
if run.status == 'running' then
  redis.call('HSET', keys.run, 'pausing', '1', 'ops', ops)
  tell_holder(keys)
  return { 'pausing' }
end
park(keys, run, run.pool, 'paused', '', now_ms(), { 'ops', ops, 'not_before', run.more[1] or '' })
return { 'paused' }
