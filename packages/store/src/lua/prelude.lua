-- Put before every script, behind `keys_of` (made by ../keys.ts). Time is Redis' own, so that no two machines'
-- clocks are ever compared.
--
-- A run is a hash; its fields are documented in ../run-record.ts. Numbers are decimal text (they are given to
-- commands as they are), and a field that is ''
-- is absent: setting it so costs nothing beside the fields that are set anyway.
--
-- The hot path is claim, append, commit. Each reads the record with one HMGET and writes it with one HSET.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The fields that decide whether and how a run may move, and any more that a script names, in `run.more`.
local function load_run(run_key, ...)
  local values = redis.call('HMGET', run_key, 'status', 'pool', 'ticket', 'epoch', 'claim', 'phase', 'len', 'ops',
    'pausing', 'attempts', 'turns', 'started', 'usage', ...)
  if not values[1] then return nil end
  local more = {}
  for i = 14, #values do more[i - 13] = values[i] end
  return {
    status = values[1], pool = values[2], ticket = tonumber(values[3]), epoch = tonumber(values[4]),
    claim = values[5], phase = tonumber(values[6]), len = tonumber(values[7]), ops = values[8] or '',
    pausing = values[9] == '1', attempts = tonumber(values[10]), turns = tonumber(values[11]),
    started = tonumber(values[12] or '') or 0, usage = values[13] or '0 0 0 0 0 0', more = more,
  }
end

local function is_live(status)
  return status == 'queued' or status == 'running'
end

local function is_terminal(status)
  return status == 'succeeded' or status == 'failed' or status == 'cancelled'
end

-- R1: the last eight commands that took effect, so that one sent again is told apart from a new one. An id has seven
-- characters: eight of them just fit what a small hash keeps compact.
local function op_seen(ops, op)
  return string.find(ops, op, 1, true) ~= nil
end

local function op_push(ops, op)
  local kept = ops
  if #kept >= 64 then kept = string.sub(kept, 9) end
  return kept .. op .. ' '
end

-- One entry of the stream is a JSON array of events: what is written together is told together.
local function emit(keys, events)
  redis.call('XADD', keys.events, 'MAXLEN', '~', 2000, '*', 'e', events)
end

local function hint(keys)
  redis.call('PUBLISH', keys.events, '')
end

local function feed(keys, status, pool)
  redis.call('XADD', keys.feed, 'MAXLEN', '~', 10000, '*', 'run', keys.id, 'status', status, 'pool', pool)
end

-- Whoever holds the run's claim looks at once whether it still does.
local function tell_holder(keys)
  redis.call('PUBLISH', keys.control, '')
end

-- The status index has one member a run, `<group>/<run id>`, all with score 0, so that a range by lex is a group.
-- Queued and running are one group, because a run goes between them with every phase; `running` tells them apart.
-- A batch has such an index of its own runs.
local function index_status(index, keys, from_group, to_group)
  if from_group then redis.call('ZREM', index, from_group .. '/' .. keys.id) end
  redis.call('ZADD', index, 0, to_group .. '/' .. keys.id)
end

local function move_status(keys, from, to, now)
  local from_group = is_live(from) and 'live' or from
  local to_group = is_live(to) and 'live' or to
  if from_group ~= to_group then
    index_status(keys.status, keys, from_group, to_group)
    local batch = redis.call('HGET', keys.run, 'batch')
    if batch and batch ~= '' then index_status(keys.batch_prefix .. batch .. ':runs', keys, from_group, to_group) end
  end
  if from == 'running' and to ~= 'running' then redis.call('ZREM', keys.running, keys.id) end
  if to == 'running' and from ~= 'running' then redis.call('ZADD', keys.running, now, keys.id) end
end

-- `live` holds the runs that must have a queue entry (R4), by the time of that entry; `backlog` counts by pool.
local function enter_pool(keys, pool, now)
  redis.call('ZADD', keys.live, now, keys.id)
  if redis.call('HINCRBY', keys.backlog, pool, 1) == 1 and redis.call('SADD', keys.pools, pool) == 1 then
    redis.call('PUBLISH', keys.pools, pool)
  end
end

local function leave_pool(keys, pool)
  redis.call('ZREM', keys.live, keys.id)
  redis.call('HINCRBY', keys.backlog, pool, -1)
end

-- A reply of a run in a batch was paid: `spend` is `<batch> <tokens> <nano-USD>`, `-` for a price that is not known.
local function spend_of_batch(keys, spend)
  local batch, tokens, cost = string.match(spend, '^(%S+) (%d+) (%S+)$')
  local key = keys.batch_prefix .. batch
  redis.call('HINCRBY', key, 'tokens', tokens)
  if cost == '-' then redis.call('HINCRBY', key, 'unpriced', 1) else redis.call('HINCRBY', key, 'cost', cost) end
end

-- What is left of a batch's budget: 's' when it is spent, 'u' when it is in USD too.
local function batch_flags(keys, batch)
  local key = keys.batch_prefix .. batch
  local values = redis.call('HMGET', key, 'tokens', 'tokens_max', 'cost', 'cost_max')
  local tokens_max, cost_max = tonumber(values[2] or ''), tonumber(values[4] or '')
  local spent = (tokens_max and (tonumber(values[1] or '') or 0) >= tokens_max)
    or (cost_max and (tonumber(values[3] or '') or 0) >= cost_max)
  return (spent and 's' or '') .. (cost_max and 'u' or '')
end

-- Closes the open phase into the list of phases. `usage` is five numbers as in core's Usage, and nano-USD.
local function close_phase(keys, run, status, now)
  local input, cached, written, output, reasoning, cost =
    string.match(run.usage, '(%d+) (%d+) (%d+) (%d+) (%d+) ?(%S*)')
  local usd = tonumber(cost) and string.format('%.9f', tonumber(cost) / 1e9) or 'null'
  local started = run.started > 0 and string.format(',"startedAt":%.0f', run.started) or ''
  redis.call('RPUSH', keys.phases, string.format(
    '{"seq":%d,"model":%s,"status":"%s","attempts":%d,"turns":%d,"endedAt":%.0f%s,"usage":{"inputTokens":%s,'
      .. '"cachedInputTokens":%s,"cacheWriteTokens":%s,"outputTokens":%s,"reasoningTokens":%s},"costUsd":%s}',
    run.phase, cjson.encode(run.pool), status, run.attempts, run.turns, now, started, input, cached, written, output,
    reasoning, usd))
end

-- A status event, as the array that `emit` takes.
local function status_event(run, epoch, status, pool, extra)
  local event = { type = 'status', epoch = epoch, phase = run.phase, status = status, model = pool }
  if extra then for key, value in pairs(extra) do event[key] = value end end
  return cjson.encode({ event })
end

-- Every key that lives and dies with its run.
local function owned_keys(keys)
  local owned = { keys.run, keys.spec, keys.needs, keys.log, keys.phases }
  local digest = redis.call('HGET', keys.run, 'idem')
  if digest then owned[#owned + 1] = keys.idem_prefix .. digest end
  return owned
end

-- The member of `expiries`: the batch stands in it, because the record is gone by then.
local function expiry_member(keys)
  local batch = redis.call('HGET', keys.run, 'batch')
  return batch and batch ~= '' and (keys.id .. ' ' .. batch) or keys.id
end

-- Ends a run that is not terminal, from any status. `fields` are set along.
-- R6: nothing but retry moves the run after this.
local function finish(keys, run, status, error_code, error_message, ttl_ms, now, fields)
  close_phase(keys, run, status, now)
  local epoch = run.epoch + 1
  redis.call('HSET', keys.run, 'status', status, 'epoch', epoch, 'claim', '', 'updated', now,
    'ended', now, 'pausing', '', 'not_before', '', 'reason', '', 'detail', '', 'unfit_since', '', 'missing', '',
    unpack(fields))
  local extra = nil
  if error_code ~= '' then
    redis.call('HSET', keys.run, 'error_code', error_code, 'error_message', error_message)
    extra = { error = { code = error_code, message = error_message } }
  end
  move_status(keys, run.status, status, now)
  if is_live(run.status) then leave_pool(keys, run.pool) end
  redis.call('ZREM', keys.deadlines, keys.id)
  emit(keys, status_event(run, epoch, status, run.pool, extra))
  feed(keys, status, run.pool)
  local ttl = tonumber(ttl_ms)
  redis.call('PEXPIRE', keys.events, ttl > 0 and math.min(ttl, 3600000) or 3600000)
  if ttl > 0 then
    redis.call('ZADD', keys.expiries, now + ttl, expiry_member(keys))
    for _, key in ipairs(owned_keys(keys)) do redis.call('PEXPIRE', key, ttl_ms) end
  end
  hint(keys)
end

-- The time of a phase is the time that it is at work: not what it waits for people, in a queue, or for a backoff. After
-- a retry it begins anew. Called before what ends such a wait; gives the rest so far. A running run was at work, unless
-- its worker is `lost`: then nobody was, since the last write.
local function rest(keys, run, now, lost)
  if run.started == 0 or (run.status == 'running' and not lost) then return nil end
  local rested = now - run.started
  if not is_terminal(run.status) then
    local values = redis.call('HMGET', keys.run, 'updated', 'rested')
    rested = (tonumber(values[2] or '') or 0) + math.max(0, now - tonumber(values[1]))
  end
  redis.call('HSET', keys.run, 'rested', rested)
  return rested
end

-- Parks a live run: it waits for an outside act in `pool` and has no queue entry. `fields` are set along.
local function park(keys, run, pool, reason, detail, now, fields)
  local epoch = run.epoch + 1
  rest(keys, run, now)
  redis.call('HSET', keys.run, 'status', 'waiting', 'reason', reason, 'detail', detail, 'epoch', epoch, 'claim', '',
    'updated', now, 'pausing', '', 'not_before', '', 'pool', pool, unpack(fields))
  move_status(keys, run.status, 'waiting', now)
  leave_pool(keys, run.pool)
  local extra = { reason = reason }
  if detail ~= '' then extra.detail = detail end
  emit(keys, status_event(run, epoch, 'waiting', pool, extra))
  feed(keys, 'waiting', pool)
  hint(keys)
end

-- Queues a run: the ticket and the epoch rise, no claim. The caller adds the job of that ticket right behind.
-- `fields` are set along; `quiet` leaves out the status event, where another event tells the same.
--
-- From waiting or terminal the ticket rises by 2: the job of ticket + 1 may be there, added beside a commit that
-- parked the run or was refused, and a claim finishes it; added again it would be a no-op against that one.
local function enqueue(keys, run, pool, delay_ms, now, fields, quiet)
  local epoch, ticket = run.epoch + 1, run.ticket + (is_live(run.status) and 1 or 2)
  rest(keys, run, now)
  redis.call('HSET', keys.run, 'status', 'queued', 'epoch', epoch, 'ticket', ticket, 'claim', '',
    'pool', pool, 'updated', now, unpack(fields))
  if run.status ~= 'running' then
    -- A claim clears what hinders a start; from any other status it may stand there still.
    redis.call('HSET', keys.run, 'reason', '', 'detail', '', 'unfit_since', '', 'missing', '', 'not_before', '')
  end
  if run.pausing then redis.call('HSET', keys.run, 'pausing', '') end
  if delay_ms > 0 then redis.call('HSET', keys.run, 'not_before', now + delay_ms) end
  move_status(keys, run.status, 'queued', now)
  if not is_live(run.status) then
    enter_pool(keys, pool, now)
  elseif pool ~= run.pool then
    redis.call('HINCRBY', keys.backlog, run.pool, -1)
    enter_pool(keys, pool, now)
  else
    redis.call('ZADD', keys.live, now, keys.id)
  end
  if not quiet then
    emit(keys, status_event(run, epoch, 'queued', pool, delay_ms > 0 and { notBefore = now + delay_ms } or nil))
  end
  hint(keys)
  return ticket
end

-- The pools that are held, as pool and `paused` or milliseconds left in turn; holds that are over are removed.
local function holds_now(holds_key, now)
  local held = {}
  local entries = redis.call('HGETALL', holds_key)
  for i = 1, #entries, 2 do
    local until_ms = tonumber(entries[i + 1])
    if until_ms and until_ms <= now then
      redis.call('HDEL', holds_key, entries[i])
    else
      held[#held + 1] = entries[i]
      held[#held + 1] = until_ms and string.format('%.0f', until_ms - now) or entries[i + 1]
    end
  end
  return held
end
