-- Put before every script. Time is Redis' own, so that no two machines' clocks are ever compared.
--
-- A run is a hash; its fields are documented in ../run-record.ts. All numbers are kept as decimal text.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function int(number)
  return string.format('%.0f', number)
end

-- The thirteen keys that every transition takes, in the order of `transitionKeys` in ../keys.ts.
local function transition_keys()
  return {
    run = KEYS[1], spec = KEYS[2], needs = KEYS[3], log = KEYS[4], phases = KEYS[5], events = KEYS[6],
    idem_prefix = KEYS[7], status = KEYS[8], live = KEYS[9], backlog = KEYS[10], pools = KEYS[11],
    deadlines = KEYS[12], feed = KEYS[13],
  }
end

-- Every key that lives and dies with its run.
local function owned_keys(keys)
  local owned = { keys.run, keys.spec, keys.needs, keys.log, keys.phases }
  local digest = redis.call('HGET', keys.run, 'idem')
  if digest then owned[#owned + 1] = keys.idem_prefix .. digest end
  return owned
end

-- The fields that decide whether and how a run may move.
local function load_run(run_key)
  local values = redis.call('HMGET', run_key, 'status', 'pool', 'ticket', 'epoch', 'claim', 'phase', 'len', 'ops',
    'pausing', 'attempts', 'turns', 'started', 'usage', 'created')
  if not values[1] then return nil end
  return {
    status = values[1], pool = values[2], ticket = tonumber(values[3]), epoch = tonumber(values[4]),
    claim = values[5] or '', phase = tonumber(values[6]), len = tonumber(values[7]), ops = values[8] or '',
    pausing = values[9] == '1', attempts = tonumber(values[10]), turns = tonumber(values[11]),
    started = tonumber(values[12] or '0'), usage = values[13] or '0 0 0 0 0', created = values[14],
  }
end

local function is_terminal(status)
  return status == 'succeeded' or status == 'failed' or status == 'cancelled'
end

-- R1: the last few commands that took effect, so that one sent again is told apart from a new one.
local function op_seen(ops, op)
  return string.find(ops, op, 1, true) ~= nil
end

local function op_push(ops, op)
  local kept = ops
  if #kept >= 44 then kept = string.sub(kept, 12) end
  return kept .. op .. ' '
end

local function emit(events_key, event)
  redis.call('XADD', events_key, 'MAXLEN', '~', 2000, '*', 'e', event)
end

local function hint(events_key)
  redis.call('PUBLISH', events_key, '')
end

-- The status index holds one member a run, `<status>/<run id>`, all with score 0: a range by lex is a status.
local function move_status(status_key, id, from, to)
  if from == to then return end
  redis.call('ZREM', status_key, from .. '/' .. id)
  redis.call('ZADD', status_key, 0, to .. '/' .. id)
end

-- `live` holds the runs that must have a queue entry (R4), by the time of that entry; `backlog` counts by pool.
local function enter_pool(live_key, backlog_key, pools_key, id, pool, now)
  redis.call('ZADD', live_key, now, id)
  redis.call('HINCRBY', backlog_key, pool, 1)
  if redis.call('SADD', pools_key, pool) == 1 then redis.call('PUBLISH', pools_key, pool) end
end

local function leave_pool(live_key, backlog_key, id, pool)
  if redis.call('ZREM', live_key, id) == 1 then redis.call('HINCRBY', backlog_key, pool, -1) end
end

-- Closes the open phase into the list of phases. `usage` is five numbers as in core's Usage.
local function close_phase(phases_key, run, status, now)
  local input, cached, written, output, reasoning = string.match(run.usage, '(%d+) (%d+) (%d+) (%d+) (%d+)')
  local phase = {
    seq = run.phase, model = run.pool, status = status, attempts = run.attempts, turns = run.turns, endedAt = now,
    usage = {
      inputTokens = tonumber(input), cachedInputTokens = tonumber(cached), cacheWriteTokens = tonumber(written),
      outputTokens = tonumber(output), reasoningTokens = tonumber(reasoning),
    },
  }
  if run.started > 0 then phase.startedAt = run.started end
  redis.call('RPUSH', phases_key, cjson.encode(phase))
end

local function status_event(run, epoch, status, pool, extra)
  local event = { type = 'status', epoch = epoch, phase = run.phase, status = status, model = pool }
  if extra then for key, value in pairs(extra) do event[key] = value end end
  return cjson.encode(event)
end

-- Ends a run that is not terminal, from any status. `keys` names every key of the run and the indexes.
-- R6: nothing but retry moves the run after this.
local function finish(keys, run, id, status, error_code, error_message, ttl_ms, now)
  close_phase(keys.phases, run, status, now)
  local epoch = run.epoch + 1
  redis.call('HSET', keys.run, 'status', status, 'epoch', int(epoch), 'claim', '', 'updated', int(now),
    'ended', int(now), 'error_code', error_code, 'error_message', error_message, 'pausing', '0')
  redis.call('HDEL', keys.run, 'not_before', 'reason', 'unfit_since', 'missing')
  move_status(keys.status, id, run.status, status)
  leave_pool(keys.live, keys.backlog, id, run.pool)
  redis.call('ZREM', keys.deadlines, id)
  local extra = nil
  if error_code ~= '' then extra = { error = { code = error_code, message = error_message } } end
  emit(keys.events, status_event(run, epoch, status, run.pool, extra))
  redis.call('XADD', keys.feed, 'MAXLEN', '~', 10000, '*', 'run', id, 'status', status, 'pool', run.pool)
  redis.call('PEXPIRE', keys.events, 3600000)
  if tonumber(ttl_ms) > 0 then
    for _, key in ipairs(owned_keys(keys)) do redis.call('PEXPIRE', key, ttl_ms) end
  end
  hint(keys.events)
  return epoch
end

-- Parks a run: it waits for an outside act and has no queue entry.
local function park(keys, run, id, reason, now)
  local epoch = run.epoch + 1
  redis.call('HSET', keys.run, 'status', 'waiting', 'reason', reason, 'epoch', int(epoch), 'claim', '',
    'updated', int(now), 'pausing', '0')
  redis.call('HDEL', keys.run, 'not_before')
  move_status(keys.status, id, run.status, 'waiting')
  leave_pool(keys.live, keys.backlog, id, run.pool)
  emit(keys.events, status_event(run, epoch, 'waiting', run.pool, { reason = reason }))
  redis.call('XADD', keys.feed, 'MAXLEN', '~', 10000, '*', 'run', id, 'status', 'waiting', 'pool', run.pool)
  hint(keys.events)
  return epoch
end

-- Queues a run again: ticket + 1, epoch + 1, no claim. The caller adds the job of that ticket right behind.
local function enqueue(keys, run, id, pool, delay_ms, now)
  local epoch, ticket = run.epoch + 1, run.ticket + 1
  redis.call('HSET', keys.run, 'status', 'queued', 'epoch', int(epoch), 'ticket', int(ticket), 'claim', '',
    'pool', pool, 'updated', int(now), 'pausing', '0')
  redis.call('HDEL', keys.run, 'reason', 'unfit_since', 'missing')
  local extra = nil
  if delay_ms > 0 then
    redis.call('HSET', keys.run, 'not_before', int(now + delay_ms))
    extra = { notBefore = now + delay_ms }
  else
    redis.call('HDEL', keys.run, 'not_before')
  end
  move_status(keys.status, id, run.status, 'queued')
  leave_pool(keys.live, keys.backlog, id, run.pool)
  enter_pool(keys.live, keys.backlog, keys.pools, id, pool, now)
  emit(keys.events, status_event(run, epoch, 'queued', pool, extra))
  hint(keys.events)
  return ticket, epoch
end
