-- Ends a run that is not terminal as cancelled, whatever it is doing.
-- KEYS: run
-- ARGV: op, ttl_ms
-- Reply: {cancelled | duplicate} | {terminal, status} | {gone}
-- Keeps: R1, R2 (a new epoch fences the worker), R6.
local keys = keys_of(KEYS[1])
local op, ttl_ms = ARGV[1], ARGV[2]

local run = load_run(keys.run)
if not run then return { 'gone' } end
if op_seen(run.ops, op) then return { 'duplicate' } end
if is_terminal(run.status) then return { 'terminal', run.status } end
finish(keys, run, 'cancelled', '', '', ttl_ms, now_ms(), { 'ops', op_push(run.ops, op) })
if run.status == 'running' then tell_holder(keys) end
return { 'cancelled' }
