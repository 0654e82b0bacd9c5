-- A worker ends its claim: the last items, and where the run goes. Each ticket is committed at most once (R7).
-- KEYS: run
-- ARGV: claim, epoch, ticket, len, outcome, pool, delay_ms, reason, error_code, error_message, tries, ttl_ms,
--       item_count, items..., events...
-- outcome: handoff | requeue | wait | succeeded | failed
-- Reply: {committed, status, ticket, pool} | {duplicate, status, ticket, pool} | {diverged} | {fenced, status}
-- Keeps: R2, R3, R4 (queued enters its pool), R6, R7.
local keys = keys_of(KEYS[1])
local claim, epoch, ticket, len = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local outcome, pool, delay_ms, reason = ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8]
local error_code, error_message, tries, ttl_ms = ARGV[9], ARGV[10], ARGV[11], ARGV[12]
local item_count = tonumber(ARGV[13])
local first_item = 14
local first_event = first_item + item_count

local run = load_run(keys.run, 'committed', 'handoffs')
if not run then return { 'fenced', 'gone' } end
local mark = int(ticket) .. '/' .. claim
if run.more[1] == mark then return { 'duplicate', run.status, int(run.ticket), run.pool } end
if run.status ~= 'running' or run.epoch ~= epoch or run.claim ~= claim or run.ticket ~= ticket then
  return { 'fenced', run.status }
end
if run.len ~= len then return { 'diverged' } end

local now = now_ms()
if item_count > 0 then redis.call('RPUSH', keys.log, unpack(ARGV, first_item, first_event - 1)) end
for i = first_event, #ARGV do emit(keys, ARGV[i]) end
local fields = { 'committed', mark, 'len', int(len + item_count), 'tries', tries }

if outcome == 'succeeded' or outcome == 'failed' then
  finish(keys, run, outcome, error_code, error_message, ttl_ms, now, fields)
  return { 'committed', outcome, int(run.ticket), run.pool }
end
if outcome == 'wait' then
  park(keys, run, run.pool, reason, now, fields)
  return { 'committed', 'waiting', int(run.ticket), run.pool }
end

local handoff = outcome == 'handoff'
if handoff then
  close_phase(keys, run, 'succeeded', now)
  run.phase = run.phase + 1
  for _, value in ipairs({ 'phase', int(run.phase), 'attempts', '0', 'turns', '0', 'started', '', 'crashes', '0',
    'usage', '0 0 0 0 0', 'handoffs', int(run.more[2] + 1) }) do
    fields[#fields + 1] = value
  end
end
if run.pausing then
  -- The pause was asked for while the phase ran: the run moves on in the conversation, and waits there.
  park(keys, run, pool, 'paused', now, fields)
  return { 'committed', 'waiting', int(run.ticket), pool }
end
-- Watchers of a handoff have its own event.
local next_ticket = enqueue(keys, run, pool, delay_ms, now, fields, handoff)
return { 'committed', 'queued', int(next_ticket), pool }
