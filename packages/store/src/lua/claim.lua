-- A worker takes a queue entry: judges the job, and when it is the run's own, makes a new fence.
-- KEYS: run
-- ARGV: ticket, pool, claim, schema_version, known_rev, capabilities, unfit_grace_ms, takeovers_max, ttl_ms,
--       log_max, known_log, seal_need
-- seal_need: the need for the encryption key that this worker writes with, or ''.
-- Reply: {claimed, epoch, phase, len, rev, spec, tries, takeover, turns, total_turns, handoffs, usage, priority,
--         attempts, worked_ms, batch, batch_flags, namespace, trace, log}; worked_ms: how long the phase has been at
--         work; trace: the submitter's trace context; log: the conversation when it has at most log_max items, 'known'
--         when it is as known_log says (`<mark of the last commit> <length>`), else empty
--      | {finished, why} | {ahead} | {early, wait_ms} | {unfit, missing}
-- A spec or a log that is none is replied as an empty one: the claim was written by then, whole (R1), and who reads it sees.
-- Keeps: R1, R2 (new claim id and epoch), R4 (a job ahead of its run is put back, never finished), R7.
local keys = keys_of(KEYS[1])
local ticket, pool, claim = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local schema_version, known_rev, capabilities = tonumber(ARGV[4]), ARGV[5], ARGV[6]
local unfit_grace_ms, takeovers_max, ttl_ms = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]
local log_max, known_log, seal_need = tonumber(ARGV[10]), ARGV[11], ARGV[12]

local run = load_run(keys.run, 'not_before', 'deadline', 'v', 'rev', 'tries', 'total_turns', 'handoffs', 'crashes',
  'takeovers', 'unfit_since', 'priority', 'needs', 'committed', 'rested', 'trace')
if not run then return { 'finished', 'gone' } end
if not is_live(run.status) then return { 'finished', run.status } end
-- No job has ticket 0: a run that has it waits for its admission.
if ticket < run.ticket or ticket == 0 then return { 'finished', 'behind' } end
if ticket > run.ticket then return { 'ahead' } end
if pool ~= run.pool then return { 'finished', 'misplaced' } end

local not_before, deadline = tonumber(run.more[1] or ''), tonumber(run.more[2] or '')
local version, rev, tries, total_turns, handoffs = tonumber(run.more[3]), run.more[4], run.more[5], run.more[6], run.more[7]
local crashes, takeovers = tonumber(run.more[8] or '') or 0, tonumber(run.more[9] or '') or 0
local unfit_since, priority, has_needs = tonumber(run.more[10] or ''), run.more[11], run.more[12] == '1'

local now = now_ms()
local rested = tonumber(run.more[14] or '') or 0

local function reply(epoch, takeover)
  local spec = known_rev ~= rev and redis.pcall('GET', keys.spec)
  if type(spec) ~= 'string' then spec = '' end
  local log = {}
  if known_log ~= '' and known_log == (run.more[13] or '') .. ' ' .. run.len then
    log = 'known'
  elseif run.len <= log_max then
    log = redis.pcall('LRANGE', keys.log, 0, -1)
    if log.err then log = {} end
  end
  local worked_ms = run.started == 0 and 0 or now - run.started - rested
  local batch = run.batch
  return { 'claimed', epoch, run.phase, run.len, rev, spec, tries, takeover, run.turns,
    total_turns, handoffs, run.usage, priority, run.attempts, worked_ms, batch,
    batch ~= '' and batch_flags(keys, batch) or '', run.namespace, run.more[15] or '', log }
end

-- R1: our own claim, sent again after a lost reply.
if run.status == 'running' and run.claim == claim then return reply(run.epoch, '0') end

if deadline and now >= deadline then
  finish(keys, run, 'failed', 'deadline', 'the run passed its timeout', ttl_ms, now, {})
  return { 'finished', 'deadline' }
end
if not_before and now < not_before then return { 'early', not_before - now } end

local missing, needs = '', has_needs and redis.call('GET', keys.needs) or ''
if version > schema_version then missing = 'schema:' .. version end
if has_needs then
  for need in string.gmatch(needs, '[^\n]+') do
    if not string.find(capabilities, '\n' .. need .. '\n', 1, true) then
      missing = missing == '' and need or (missing .. '\n' .. need)
    end
  end
end
if missing ~= '' then
  local since = unfit_since or now
  if now - since >= unfit_grace_ms then
    local message = 'no worker of ' .. pool .. ' has: ' .. string.gsub(missing, '\n', ', ')
    finish(keys, run, 'failed', 'config_missing', message, ttl_ms, now, {})
    return { 'finished', 'config_missing' }
  end
  redis.call('HSET', keys.run, 'unfit_since', since, 'missing', missing)
  -- What was admitted and cannot begin makes room, and its batch is tried more slowly, see feed.lua.
  if run.batch ~= '' and run.attempts == 0 and handoffs == '0' and leave_fed(keys, pool) then
    redis.call('HSET', admission_of(keys.tag).fair_prefix .. pool, 'unfit:' .. run.batch, now)
  end
  return { 'unfit', missing }
end

local takeover = run.status == 'running'
if takeover then rested = rest(keys, run, now, true) or rested end
if run.pausing then
  park(keys, run, pool, 'paused', '', now, {})
  return { 'finished', 'paused' }
end

local epoch = run.epoch + 1
if not takeover then rested = rest(keys, run, now) or rested end
if takeover then
  crashes = crashes + 1
  takeovers = takeovers + 1
  if crashes > takeovers_max then
    local message = 'the phase was taken over ' .. (crashes - 1) .. ' times from lost workers without a new item'
    finish(keys, run, 'failed', 'poison', message, ttl_ms, now, {})
    return { 'finished', 'poison' }
  end
end
if run.attempts == 0 and handoffs == '0' then
  -- It begins: feed.lua tells what these are counted for. A run of a batch may have come without an admission.
  local was_fed = run.batch ~= '' and leave_fed(keys, pool)
  local admission = admission_of(keys.tag)
  if was_fed or (unfit_since and run.batch ~= '') then
    redis.call('HDEL', admission.fair_prefix .. pool, 'unfit:' .. run.batch)
  else
    redis.call('HINCRBY', admission.begun, pool, 1)
  end
end
run.attempts = run.attempts + 1
local started = run.started > 0 and run.started or now
local fields = { 'status', 'running', 'claim', claim, 'epoch', epoch, 'updated', now, 'attempts',
  run.attempts, 'started', started }
local function set(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
if takeover then
  set('crashes', crashes)
  set('takeovers', takeovers)
end
if not_before then set('not_before', '') end
if unfit_since then
  set('unfit_since', '')
  set('missing', '')
end
-- What is written from here on is sealed with the key of this worker, so whoever goes on must have it, too.
if seal_need ~= '' and not string.find('\n' .. needs .. '\n', '\n' .. seal_need .. '\n', 1, true) then
  redis.call('SET', keys.needs, needs == '' and seal_need or (needs .. '\n' .. seal_need))
  set('needs', '1')
end
redis.call('HSET', keys.run, unpack(fields))
move_status(keys, run, 'running', now)
return reply(epoch, takeover and '1' or '0')
