-- A worker ends its claim: the last items, and where the run goes. Each ticket is committed at most once (R7).
-- KEYS: run, spec, needs, log, phases, events, idem_prefix, status, live, backlog, pools, deadlines, feed
-- ARGV: id, claim, epoch, ticket, len, outcome, pool, delay_ms, reason, error_code, error_message, tries, ttl_ms,
--       item_count, items..., events...
-- outcome: handoff | requeue | wait | succeeded | failed
-- Reply: {committed, status, ticket, pool} | {duplicate, status, ticket, pool} | {diverged} | {fenced, status}
-- Keeps: R2, R3, R4 (queued enters its pool), R6, R7.
local keys = transition_keys()
local id, claim, epoch, ticket, len = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local outcome, pool, delay_ms, reason = ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[9]
local error_code, error_message, tries, ttl_ms = ARGV[10], ARGV[11], ARGV[12], ARGV[13]
local item_count = tonumber(ARGV[14])
local first_item = 15
local first_event = first_item + item_count

local run = load_run(keys.run)
if not run then return { 'fenced', 'gone' } end
local mark = int(ticket) .. '/' .. claim
if redis.call('HGET', keys.run, 'committed') == mark then
  return { 'duplicate', run.status, int(run.ticket), run.pool }
end
if run.status ~= 'running' or run.epoch ~= epoch or run.claim ~= claim or run.ticket ~= ticket then
  return { 'fenced', run.status }
end
if run.len ~= len then return { 'diverged' } end

local now = now_ms()
if item_count > 0 then
  redis.call('RPUSH', keys.log, unpack(ARGV, first_item, first_event - 1))
  run.len = run.len + item_count
end
redis.call('HSET', keys.run, 'committed', mark, 'len', int(run.len), 'tries', tries)
for i = first_event, #ARGV do emit(keys.events, ARGV[i]) end

if outcome == 'succeeded' or outcome == 'failed' then
  finish(keys, run, id, outcome, error_code, error_message, ttl_ms, now)
  return { 'committed', outcome, int(run.ticket), run.pool }
end
if outcome == 'wait' then
  park(keys, run, id, reason, now)
  return { 'committed', 'waiting', int(run.ticket), run.pool }
end

local from_pool = run.pool
if outcome == 'handoff' then
  close_phase(keys.phases, run, 'succeeded', now)
  run.phase = run.phase + 1
  redis.call('HSET', keys.run, 'phase', int(run.phase), 'attempts', '0', 'turns', '0', 'started', '0',
    'usage', '0 0 0 0 0', 'crashes', '0')
  redis.call('HINCRBY', keys.run, 'handoffs', 1)
end
if run.pausing then
  -- The pause was asked for while the phase ran: the run moves on in the conversation, and waits there.
  park(keys, run, id, 'paused', now)
  redis.call('HSET', keys.run, 'pool', pool)
  return { 'committed', 'waiting', int(run.ticket), pool }
end
local next_ticket = enqueue(keys, run, id, pool, delay_ms, now)
if pool ~= from_pool then
  redis.call('XADD', keys.feed, 'MAXLEN', '~', 10000, '*', 'run', id, 'status', 'queued', 'pool', pool)
end
return { 'committed', 'queued', int(next_ticket), pool }
