-- Fails a run whose deadline has passed, in any status that is not terminal.
-- KEYS: run, spec, needs, log, phases, events, idem_prefix, status, live, backlog, pools, deadlines, feed
-- ARGV: id, ttl_ms
-- Reply: {expired} | {early, wait_ms} | {terminal} | {gone}
-- Keeps: R1, R2, R6.
local keys = transition_keys()
local id, ttl_ms = ARGV[1], ARGV[2]

local run = load_run(keys.run)
if not run then redis.call('ZREM', keys.deadlines, id) return { 'gone' } end
local deadline = tonumber(redis.call('HGET', keys.run, 'deadline') or '0')
if is_terminal(run.status) or deadline == 0 then redis.call('ZREM', keys.deadlines, id) return { 'terminal' } end
local now = now_ms()
if now < deadline then return { 'early', int(deadline - now) } end
finish(keys, run, id, 'failed', 'deadline', 'the run passed its timeout', ttl_ms, now)
return { 'expired' }
