-- Takes a pause back, or answers what a run waits for: a waiting run is queued again, a running one that was to
-- pause goes on. One that was paused before its time waits for that time again.
-- KEYS: run
-- ARGV: op, len, items...
-- len: '' without items. items: what is added to the conversation of a waiting run; they continue `len`.
-- Reply: {resumed | duplicate, status, ticket, pool} | {refused, status} | {moved} | {gone}
-- Keeps: R1, R2, R3 (names the length that it continues), R4 (the run enters its pool; the caller adds the job).
local keys = keys_of(KEYS[1])
local op, len = ARGV[1], tonumber(ARGV[2])
local first_item = 3

local run = load_run(keys.run, 'not_before')
if not run then return { 'gone' } end
if op_seen(run.ops, op) then return { 'duplicate', run.status, run.ticket, run.pool } end
local ops = op_push(run.ops, op)
if run.status == 'running' and run.pausing and not len then
  redis.call('HSET', keys.run, 'pausing', '', 'ops', ops)
  return { 'resumed', 'running', run.ticket, run.pool }
end
if run.status ~= 'waiting' then return { 'refused', run.status } end
local fields = { 'ops', ops }
if len then
  if run.len ~= len then return { 'moved' } end
  for i = first_item, #ARGV do redis.call('RPUSH', keys.log, ARGV[i]) end
  fields = { 'ops', ops, 'len', len + #ARGV - first_item + 1, 'crashes', '0' }
end
local now, not_before = now_ms(), tonumber(run.more[1] or '') or 0
local ticket = enqueue(keys, run, run.pool, math.max(0, not_before - now), now, fields, false)
return { 'resumed', 'queued', ticket, run.pool }
