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
    'pausing', 'attempts', 'turns', 'started', 'usage', 'batch', 'namespace', ...)
  if not values[1] then return nil end
  local more = {}
  for i = 16, #values do more[i - 15] = values[i] end
  return {
    status = values[1], pool = values[2], ticket = tonumber(values[3]), epoch = tonumber(values[4]),
    claim = values[5], phase = tonumber(values[6]), len = tonumber(values[7]), ops = values[8] or '',
    pausing = values[9] == '1', attempts = tonumber(values[10]), turns = tonumber(values[11]),
    started = tonumber(values[12] or '') or 0, usage = values[13] or '0 0 0 0 0 0',
    batch = values[14] or '', namespace = values[15] or '', more = more,
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
-- A batch has such an index of its own runs, and so has a namespace.
local function index_status(index, keys, from_group, to_group)
  if from_group then redis.call('ZREM', index, from_group .. '/' .. keys.id) end
  redis.call('ZADD', index, 0, to_group .. '/' .. keys.id)
end

local function move_status(keys, run, to, now)
  local from, batch = run.status, run.batch
  local from_group = is_live(from) and 'live' or from
  local to_group = is_live(to) and 'live' or to
  if from_group ~= to_group then
    index_status(keys.status, keys, from_group, to_group)
    if batch ~= '' then index_status(keys.batch_prefix .. batch .. ':runs', keys, from_group, to_group) end
    if run.namespace ~= '' then
      index_status(spaces_of(keys.tag).space_prefix .. run.namespace .. ':runs', keys, from_group, to_group)
    end
  end
  if from == 'running' and to ~= 'running' then
    redis.call('ZREM', keys.running, keys.id)
    if batch ~= '' then redis.call('HINCRBY', keys.batch_prefix .. batch, 'running', -1) end
  end
  if to == 'running' and from ~= 'running' then
    redis.call('ZADD', keys.running, now, keys.id)
    if batch ~= '' then redis.call('HINCRBY', keys.batch_prefix .. batch, 'running', 1) end
  end
end

-- How many runs of a batch are queued or running in each pool.
local function count_in_batch(keys, batch, pool, by)
  if batch ~= '' then redis.call('HINCRBY', keys.batch_prefix .. batch .. ':pools', pool, by) end
end

-- `live` holds the runs that must have a queue entry (R4), by the time of that entry; `backlog` counts by pool.
local function enter_pool(keys, batch, pool, now)
  redis.call('ZADD', keys.live, now, keys.id)
  count_in_batch(keys, batch, pool, 1)
  if redis.call('HINCRBY', keys.backlog, pool, 1) == 1 and redis.call('SADD', keys.pools, pool) == 1 then
    redis.call('PUBLISH', keys.pools, pool)
  end
end

-- A queued run of a batch that has had no ticket yet has no queue entry: it waits for its admission (R4), which
-- feed.lua tells about. The member of its batch's queue is scored by priority; ids of a batch are in its order.
local function in_admission(run)
  return run.status == 'queued' and run.ticket == 0
end

-- What has no priority of its own comes in the middle.
local function admission_score(priority)
  return (priority == '' or priority == '0') and '1000000' or priority
end

-- A virtual time as it is kept: a fraction loses nothing.
local function exact(number) return string.format('%.17g', number) end

-- A virtual time as it was kept; nil for one that no honest weight leads to.
local function time_of(text)
  local time = tonumber(text or '')
  if time and time > -1e12 and time < 1e12 then return time end
end

-- The clock of a pool: where it cannot be right, the flow that is due first says the time.
local function clock_in(admission, pool, text)
  if time_of(text) then return time_of(text) end
  local first = redis.call('ZRANGE', admission.flows_prefix .. pool, 0, 0, 'WITHSCORES')
  return text and time_of(first[2]) or 0
end

-- The virtual time at which a flow of the pool may begin. While no batch waits nobody feeds, and the runs without a batch
-- that began meanwhile moved the clock: they are counted now, and no credit for who comes.
local function clock_of(admission, pool)
  local fair = admission.fair_prefix .. pool
  local values = redis.call('HMGET', fair, 'clock', 'singles', 'begun')
  local clock = clock_in(admission, pool, values[1])
  local waiting = tonumber(redis.call('HGET', admission.admission, pool) or '') or 0
  if waiting > 0 and redis.call('EXISTS', admission.flows_prefix .. pool) == 1 then return clock end
  local begun = tonumber(redis.call('HGET', admission.begun, pool) or '') or 0
  local singles = (time_of(values[2]) or clock) + begun - (tonumber(values[3] or '') or begun)
  clock = math.max(clock, singles - 1)
  redis.call('HSET', fair, 'clock', exact(clock), 'singles', exact(singles), 'begun', begun)
  return clock
end

-- Its batch takes part from the virtual time of now on: what it did not use before is no credit. One that was emptied a
-- moment ago is in the list of flows still, and pays for its last run first.
local function join_flow(keys, admission, pool, batch, id, priority)
  local queue, flows = admission.admit_prefix .. pool .. ':' .. batch, admission.flows_prefix .. pool
  redis.call('ZADD', queue, admission_score(priority), id)
  local due = redis.call('ZSCORE', flows, batch)
  if due and redis.call('ZCARD', queue) > 1 then return end
  local clock = clock_of(admission, pool)
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', flows, '-inf', '(' .. exact(clock), 'LIMIT', 0, 100)) do
    -- Overtaken by runs of a smaller priority.
    local head = redis.call('ZRANGE', admission.admit_prefix .. pool .. ':' .. other, 0, 0, 'WITHSCORES')
    if other ~= batch and head[2] == admission_score(priority) then
      clock = tonumber(redis.call('ZSCORE', flows, other))
      break
    end
  end
  if not due or tonumber(due) < clock then redis.call('ZADD', flows, exact(clock), batch) end
end

-- `not_before`: a time, or 0. The first run that waits for a pool is told to whoever feeds.
local function enter_admission(keys, batch, pool, priority, not_before)
  local admission = admission_of(keys.tag)
  if not_before > 0 then
    redis.call('ZADD', admission.later, not_before, keys.id)
  else
    join_flow(keys, admission, pool, batch, keys.id, priority)
  end
  count_in_batch(keys, batch, pool, 1)
  if redis.call('HINCRBY', admission.admission, pool, 1) == 1 then
    if redis.call('SADD', keys.pools, pool) == 1 then redis.call('PUBLISH', keys.pools, pool) end
    redis.call('PUBLISH', admission.admission, '')
  end
end

local function leave_admission(keys, batch, pool)
  local admission = admission_of(keys.tag)
  local queue = admission.admit_prefix .. pool .. ':' .. batch
  redis.call('ZREM', admission.later, keys.id)
  -- A flow that is empty now is taken out by feed.lua.
  redis.call('ZREM', queue, keys.id)
  redis.call('HINCRBY', admission.admission, pool, -1)
end

-- An admitted run that has begun, or that never will, makes room for another one. Tells whether it was admitted.
local function leave_fed(keys, pool)
  return redis.call('SREM', admission_of(keys.tag).fed_prefix .. pool, keys.id) == 1
end

local function leave_pool(keys, run)
  count_in_batch(keys, run.batch, run.pool, -1)
  if in_admission(run) then return leave_admission(keys, run.batch, run.pool) end
  redis.call('ZREM', keys.live, keys.id)
  redis.call('HINCRBY', keys.backlog, run.pool, -1)
  if run.batch ~= '' and run.attempts == 0 then leave_fed(keys, run.pool) end
end

-- A reply of a run in a batch or a namespace was paid: `spend` is `<tokens> <nano-USD> <batch> <namespace>`, `-` for a
-- price that is not known; where the run has no batch or no namespace, nothing stands behind the space.
local function book_spend(keys, spend)
  local tokens, cost, batch, namespace = string.match(spend, '^(%d+) (%S+) (%S*) (%S*)$')
  local function book(key)
    redis.call('HINCRBY', key, 'tokens', tokens)
    if cost == '-' then redis.call('HINCRBY', key, 'unpriced', 1) else redis.call('HINCRBY', key, 'cost', cost) end
  end
  if batch ~= '' then book(keys.batch_prefix .. batch) end
  if namespace ~= '' then book(spaces_of(keys.tag).space_prefix .. namespace) end
end

-- What is left of a batch's budget, with what its runs on other shards spent as far as it is known: 's' when it is spent, 'u' when it is in USD too.
local function batch_flags(keys, batch)
  local key = keys.batch_prefix .. batch
  local values = redis.call('HMGET', key, 'tokens', 'tokens_max', 'cost', 'cost_max', 'tokens_elsewhere', 'cost_elsewhere')
  local tokens_max, cost_max = tonumber(values[2] or ''), tonumber(values[4] or '')
  local function total(here, elsewhere) return (tonumber(here or '') or 0) + (tonumber(elsewhere or '') or 0) end
  local spent = (tokens_max and total(values[1], values[5]) >= tokens_max)
    or (cost_max and total(values[3], values[6]) >= cost_max)
  return (spent and 's' or '') .. (cost_max and 'u' or '')
end

-- Closes the open phase into the list of phases: number, model, status, attempts, turns, end, start or 0, usage.
local function close_phase(keys, run, status, now)
  redis.call('RPUSH', keys.phases, string.format('[%d,%s,"%s",%d,%d,%.0f,%.0f,"%s"]',
    run.phase, cjson.encode(run.pool), status, run.attempts, run.turns, now, run.started, run.usage))
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

-- The member of `expiries`: the batch and the namespace stand in it, because the record is gone by then.
local function expiry_member(id, batch, namespace)
  if namespace ~= '' then return id .. ' ' .. batch .. ' ' .. namespace end
  return batch ~= '' and (id .. ' ' .. batch) or id
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
  move_status(keys, run, status, now)
  if is_live(run.status) then leave_pool(keys, run) end
  if run.batch ~= '' then redis.call('ZADD', keys.batch_prefix .. run.batch .. ':ended', now, keys.id) end
  redis.call('ZREM', keys.deadlines, keys.id)
  emit(keys, status_event(run, epoch, status, run.pool, extra))
  feed(keys, status, run.pool)
  local ttl = tonumber(ttl_ms)
  redis.call('PEXPIRE', keys.events, ttl > 0 and math.min(ttl, 3600000) or 3600000)
  if ttl > 0 then
    redis.call('ZADD', keys.expiries, now + ttl, expiry_member(keys.id, run.batch, run.namespace))
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
  move_status(keys, run, 'waiting', now)
  leave_pool(keys, run)
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
--
-- A run that had no ticket yet waits for its admission again, still without one: no job is added.
local function enqueue(keys, run, pool, delay_ms, now, fields, quiet)
  local epoch, ticket = run.epoch + 1, run.ticket + (is_live(run.status) and 1 or 2)
  if run.ticket == 0 then ticket = 0 end
  rest(keys, run, now)
  redis.call('HSET', keys.run, 'status', 'queued', 'epoch', epoch, 'ticket', ticket, 'claim', '',
    'pool', pool, 'updated', now, unpack(fields))
  if run.status ~= 'running' then
    -- A claim clears what hinders a start; from any other status it may stand there still.
    redis.call('HSET', keys.run, 'reason', '', 'detail', '', 'unfit_since', '', 'missing', '', 'not_before', '')
  end
  if run.pausing then redis.call('HSET', keys.run, 'pausing', '') end
  if delay_ms > 0 then redis.call('HSET', keys.run, 'not_before', now + delay_ms) end
  move_status(keys, run, 'queued', now)
  if ticket == 0 then
    local priority = redis.call('HGET', keys.run, 'priority')
    enter_admission(keys, run.batch, pool, priority, delay_ms > 0 and now + delay_ms or 0)
  elseif not is_live(run.status) then
    enter_pool(keys, run.batch, pool, now)
  elseif pool ~= run.pool then
    count_in_batch(keys, run.batch, run.pool, -1)
    redis.call('HINCRBY', keys.backlog, run.pool, -1)
    enter_pool(keys, run.batch, pool, now)
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
