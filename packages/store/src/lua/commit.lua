-- A worker ends its claim: the last items, and where the run goes. Each ticket is committed at most once (R7).
-- KEYS: run
-- ARGV: claim, epoch, ticket, len, is_turn, usage, spend, outcome, pool, delay_ms, reason, detail, error_code,
--       error_message, tries, ttl_ms, pack, item_count, items..., events
-- spend: as append's. error_code, error_message: why it failed, or why it is tried again.
-- is_turn: the items begin with a model reply; usage is then that of the whole phase, this reply included.
-- outcome: handoff | requeue | wait | succeeded | failed
-- reason: what a wait is for, `batch_budget` where the budget is the batch's; `failed` with a handoff: the phase failed,
-- and another model steps in.
-- pack: of a run that succeeds, the whole conversation with these items as one entry that takes the place of the log,
-- or ''. Such a run changes no more, so no script but this one ever meets a packed log.
-- A wait for `paused` queues the run instead when nobody asks for a pause any more, and one for `batch_budget` when that
-- was raised meanwhile: whoever raised it has looked for waiting runs before this one was there.
-- Reply: {committed, status, ticket, pool} | {duplicate, status, ticket, pool} | {diverged} | {fenced, status}
-- Keeps: R2, R3, R4 (queued enters its pool), R6, R7.
local keys = keys_of(KEYS[1])
local claim, epoch, ticket, len = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local is_turn, usage = ARGV[5] == '1', ARGV[6]
local spend, outcome, pool, delay_ms = ARGV[7], ARGV[8], ARGV[9], tonumber(ARGV[10])
local reason, detail = ARGV[11], ARGV[12]
local error_code, error_message, tries, ttl_ms = ARGV[13], ARGV[14], ARGV[15], ARGV[16]
local pack, item_count = ARGV[17], tonumber(ARGV[18])
local first_item = 19
local events = ARGV[first_item + item_count]

local run = load_run(keys.run, 'committed', 'handoffs', 'total_turns', 'crashes', 'tries', 'rested')
if not run then return { 'fenced', 'gone' } end
local mark = ticket .. '/' .. claim
if run.more[1] == mark then return { 'duplicate', run.status, run.ticket, run.pool } end
if run.status ~= 'running' or run.epoch ~= epoch or run.claim ~= claim or run.ticket ~= ticket then
  return { 'fenced', run.status }
end
if run.len ~= len then return { 'diverged' } end

local now = now_ms()
if events ~= '' then emit(keys, events) end
local fields = { 'committed', mark, 'len', len + item_count }
local function set(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
if pack ~= '' and outcome == 'succeeded' then
  redis.call('DEL', keys.log)
  redis.call('RPUSH', keys.log, pack)
elseif item_count > 0 then
  redis.call('RPUSH', keys.log, unpack(ARGV, first_item, first_item + item_count - 1))
  if run.more[4] and run.more[4] ~= '0' then set('crashes', '0') end
end
if run.more[5] ~= tries then set('tries', tries) end
if is_turn then
  run.turns, run.usage = run.turns + 1, usage
  set('total_turns', run.more[3] + 1)
  if spend ~= '' then book_spend(keys, spend) end
  if outcome ~= 'handoff' then
    set('turns', run.turns)
    set('usage', usage)
  end
end

if outcome == 'succeeded' or outcome == 'failed' then
  finish(keys, run, outcome, error_code, error_message, ttl_ms, now, fields)
  return { 'committed', outcome, run.ticket, run.pool }
end
-- What it would wait for is no more: the run goes on instead, and the reply names its entry.
local goes_on = reason == 'paused'
if reason == 'batch_budget' then
  reason = 'budget'
  goes_on = not string.find(batch_flags(keys, run.batch), 's', 1, true)
end
if outcome == 'wait' and not (goes_on and not run.pausing) then
  -- A pause comes first: what else it waits for is seen again when it goes on.
  if run.pausing then reason, detail = 'paused', '' end
  park(keys, run, run.pool, reason, detail, now, fields)
  return { 'committed', 'waiting', run.ticket, run.pool }
end

local handoff = outcome == 'handoff'
if handoff then
  close_phase(keys, run, reason == 'failed' and 'failed' or 'succeeded', now)
  run.phase = run.phase + 1
  set('phase', run.phase)
  set('attempts', '0')
  set('started', '')
  set('handoffs', run.more[2] + 1)
  set('crashes', '0')
  set('turns', '0')
  set('usage', '0 0 0 0 0 0')
  if run.more[6] and run.more[6] ~= '' then set('rested', '') end
elseif error_code ~= '' then
  set('error_code', error_code)
  set('error_message', error_message)
end
if run.pausing then
  -- The pause was asked for while the phase ran: the run moves on in the conversation, and waits there.
  park(keys, run, pool, 'paused', '', now, fields)
  return { 'committed', 'waiting', run.ticket, pool }
end
-- Watchers of a handoff have its own event.
local next_ticket = enqueue(keys, run, pool, delay_ms, now, fields, handoff)
return { 'committed', 'queued', next_ticket, pool }
