-- A worker takes a queue entry: judges the job, and when it is the run's own, makes a new fence.
-- KEYS: run, spec, needs, log, phases, events, idem_prefix, status, live, backlog, pools, deadlines, feed
-- ARGV: id, ticket, pool, claim, schema_version, known_rev, capabilities, unfit_grace_ms, takeovers_max, ttl_ms
-- Reply: {claimed, epoch, phase, len, rev, spec, tries, takeover, turns, total_turns, handoffs, usage, priority}
--      | {finished, why} | {ahead} | {early, wait_ms} | {unfit, missing}
-- Keeps: R2 (new claim id and epoch), R4 (a job ahead of its run is put back, never finished), R7.
local keys = transition_keys()
local id, ticket, pool, claim = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local schema_version, known_rev, capabilities = tonumber(ARGV[5]), ARGV[6], ARGV[7]
local unfit_grace_ms, takeovers_max, ttl_ms = tonumber(ARGV[8]), tonumber(ARGV[9]), ARGV[10]

local run = load_run(keys.run)
if not run then return { 'finished', 'gone' } end
if run.status ~= 'queued' and run.status ~= 'running' then return { 'finished', run.status } end
if ticket < run.ticket then return { 'finished', 'behind' } end
if ticket > run.ticket then return { 'ahead' } end
if pool ~= run.pool then return { 'finished', 'misplaced' } end

local rest = redis.call('HMGET', keys.run, 'not_before', 'deadline', 'v', 'rev', 'tries', 'total_turns', 'handoffs',
  'crashes', 'takeovers', 'unfit_since', 'priority')

local function reply(epoch, takeover)
  local spec = ''
  if known_rev ~= rest[4] then spec = redis.call('GET', keys.spec) or '' end
  return { 'claimed', int(epoch), int(run.phase), int(run.len), rest[4], spec, rest[5], takeover, int(run.turns),
    rest[6], rest[7], run.usage, rest[11] }
end

-- R1: our own claim, sent again after a lost reply.
if run.status == 'running' and run.claim == claim then return reply(run.epoch, '0') end

local now = now_ms()
if rest[2] and now >= tonumber(rest[2]) then
  finish(keys, run, id, 'failed', 'deadline', 'the run passed its timeout', ttl_ms, now)
  return { 'finished', 'deadline' }
end
if rest[1] and now < tonumber(rest[1]) then return { 'early', int(tonumber(rest[1]) - now) } end

local missing = ''
if tonumber(rest[3]) > schema_version then missing = 'schema:' .. rest[3] end
local needs = redis.call('GET', keys.needs)
if needs then
  for need in string.gmatch(needs, '[^\n]+') do
    if not string.find(capabilities, '\n' .. need .. '\n', 1, true) then
      missing = missing == '' and need or (missing .. '\n' .. need)
    end
  end
end
if missing ~= '' then
  local since = tonumber(rest[10] or now)
  if now - since >= unfit_grace_ms then
    finish(keys, run, id, 'failed', 'config_missing',
      'no worker of ' .. pool .. ' has: ' .. string.gsub(missing, '\n', ', '), ttl_ms, now)
    return { 'finished', 'config_missing' }
  end
  redis.call('HSET', keys.run, 'unfit_since', int(since), 'missing', missing)
  return { 'unfit', missing }
end

if run.pausing then
  park(keys, run, id, 'paused', now)
  return { 'finished', 'paused' }
end

local epoch = run.epoch + 1
local takeover = run.status == 'running'
if takeover then
  local crashes = tonumber(rest[8] or '0') + 1
  if crashes > takeovers_max then
    finish(keys, run, id, 'failed', 'poison',
      'the phase was taken over ' .. int(crashes - 1) .. ' times from lost workers without a new item', ttl_ms, now)
    return { 'finished', 'poison' }
  end
  redis.call('HSET', keys.run, 'crashes', int(crashes), 'takeovers', int(tonumber(rest[9] or '0') + 1))
end
redis.call('HSET', keys.run, 'status', 'running', 'claim', claim, 'epoch', int(epoch), 'updated', int(now),
  'attempts', int(run.attempts + 1))
if run.started == 0 then redis.call('HSET', keys.run, 'started', int(now)) end
if rest[1] or rest[10] then redis.call('HDEL', keys.run, 'not_before', 'unfit_since', 'missing') end
move_status(keys.status, id, run.status, 'running')
emit(keys.events, cjson.encode({ type = 'phase', epoch = epoch, phase = run.phase, model = pool,
  attempt = run.attempts + 1, takeover = takeover }))
hint(keys.events)
return reply(epoch, takeover and '1' or '0')
