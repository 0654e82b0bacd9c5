-- Ends a run that is not terminal as cancelled, whatever it is doing.
-- KEYS: run, spec, needs, log, phases, events, idem_prefix, status, live, backlog, pools, deadlines, feed
-- ARGV: id, op, ttl_ms
-- Reply: {cancelled | duplicate} | {terminal, status} | {gone}
-- Keeps: R1, R2 (a new epoch fences the worker), R6.
local keys = transition_keys()
local id, op, ttl_ms = ARGV[1], ARGV[2], ARGV[3]

local run = load_run(keys.run)
if not run then return { 'gone' } end
if op_seen(run.ops, op) then return { 'duplicate' } end
if is_terminal(run.status) then return { 'terminal', run.status } end
redis.call('HSET', keys.run, 'ops', op_push(run.ops, op))
finish(keys, run, id, 'cancelled', '', '', ttl_ms, now_ms())
return { 'cancelled' }
