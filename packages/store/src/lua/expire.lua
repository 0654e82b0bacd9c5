-- Fails a run whose deadline has passed, in any status that is not terminal.
-- KEYS: run
-- ARGV: ttl_ms
-- Reply: {expired} | {early, wait_ms} | {terminal} | {gone}
-- Keeps: R1, R2, R6.
local keys = keys_of(KEYS[1])
local ttl_ms = ARGV[1]

local run = load_run(keys.run, 'deadline')
if not run then
  redis.call('ZREM', keys.deadlines, keys.id)
  return { 'gone' }
end
local deadline = tonumber(run.more[1] or '')
if is_terminal(run.status) or not deadline then
  redis.call('ZREM', keys.deadlines, keys.id)
  return { 'terminal' }
end
local now = now_ms()
if now < deadline then return { 'early', deadline - now } end
finish(keys, run, 'failed', 'deadline', 'the run passed its timeout', ttl_ms, now, {})
if run.status == 'running' then tell_holder(keys) end
return { 'expired' }
