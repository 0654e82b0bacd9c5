-- Admits runs that wait for their admission to a pool's queue, as many as it has room for, fairly by weight.
-- KEYS: admission
-- ARGV: pool, window, prioritized, feed_max, check
-- window: how many admitted runs that have not begun the queue may hold. prioritized: how many jobs wait in the queue
-- that have a priority, which are those of runs that have not begun. check: 1 looks whether the admitted runs still
-- wait there, which they do as long as all goes well.
-- Reply: {fed, waiting, why, wait_ms, run id and priority of each admitted run in turn...}; waiting: how many are left;
--        why: what keeps them: the window is `full`, other `turns` come first, or all are `asleep`, the next one for
--        wait_ms.
-- Keeps: R4 (an admitted run is in `live`; the caller adds its job, of ticket 1), R1 (sent twice it admits others, and
--        the reconciler adds the jobs of those whose reply was lost).
--
-- Each batch with runs that wait here is a flow, with the virtual time at which its next run is due: it rises by
-- 1 / weight with each run, and the flow that is due first goes first. Runs without a batch are one more flow, of weight
-- 1. They go straight into the queue, behind those that are admitted, so what is admitted decides their share: their
-- virtual time rises with each of them that begins, and while some of them wait, no batch is admitted that is due
-- later than they are. The clock is the time at which the flow was due that was served last. A flow that comes begins at
-- the clock; one that comes back pays for its last run first, so it stays in the list of flows, empty, until the clock is
-- there.
-- A batch whose budget is spent sleeps, and is looked at again every few seconds, or when it is given another budget.
-- One whose runs no worker can take (claim tells `unfit:<batch>`) sleeps too, and is tried with one run each time, until
-- one of them begins: it does not fill the window.
-- Among batches, one whose next run has a smaller priority goes before all others, whatever its time. Those that it
-- overtakes stay behind the clock then, and whoever comes to share with them begins where they are.
local admission = admission_of(string.match(KEYS[1], '^{[^}]+}'))
local pool, window, prioritized, feed_max = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local check = ARGV[5] == '1'
local later_max, flows_max, wake_max, sleep_ms = 1000, 200, 50, 5000

local now = now_ms()
local flows_key, fair_key, fed_key = admission.flows_prefix .. pool, admission.fair_prefix .. pool, admission.fed_prefix .. pool

-- Those whose time has come join their batch.
local due = redis.call('ZRANGEBYSCORE', admission.later, '-inf', now, 'LIMIT', 0, later_max)
for _, id in ipairs(due) do
  local keys = keys_of(admission.run_prefix .. id)
  local values = redis.call('HMGET', keys.run, 'status', 'ticket', 'pool', 'batch', 'priority')
  redis.call('ZREM', admission.later, id)
  if values[1] == 'queued' and values[2] == '0' then join_flow(keys, admission, values[3], values[4], id, values[5]) end
end

if check then
  for _, id in ipairs(redis.call('SMEMBERS', fed_key)) do
    local values = redis.call('HMGET', admission.run_prefix .. id, 'status', 'attempts', 'pool')
    if values[1] ~= 'queued' or values[2] ~= '0' or values[3] ~= pool then redis.call('SREM', fed_key, id) end
  end
end
local admitted = redis.call('SCARD', fed_key)
-- Runs without a batch wait when the queue holds more than was admitted.
local singles_wait = prioritized > admitted

local fair = redis.call('HMGET', fair_key, 'clock', 'singles', 'begun')
local clock = clock_in(admission, pool, fair[1])
local singles = time_of(fair[2]) or clock
local begun = tonumber(redis.call('HGET', admission.begun, pool) or '') or 0
singles = singles + begun - (tonumber(fair[3] or '') or begun)

local asleep_key = admission.asleep_prefix .. pool
local function sleep(batch)
  redis.call('ZREM', flows_key, batch)
  redis.call('ZADD', asleep_key, now + sleep_ms, batch)
end

for _, batch in ipairs(redis.call('ZRANGEBYSCORE', asleep_key, '-inf', now, 'LIMIT', 0, wake_max)) do
  redis.call('ZREM', asleep_key, batch)
  if redis.call('EXISTS', admission.admit_prefix .. pool .. ':' .. batch) == 0 then
    redis.call('HDEL', fair_key, 'unfit:' .. batch)
  elseif not redis.call('ZSCORE', flows_key, batch) then
    redis.call('ZADD', flows_key, exact(clock), batch)
  end
end

-- Bounded, because a step that is too small or too large ruins the virtual times of the pool.
local weight_max = 1000
local function weight_of(batch)
  local weight = tonumber(redis.call('HGET', admission.batch_prefix .. batch, 'weight') or '')
  if not weight or weight ~= weight then return 1 end
  return math.min(weight_max, math.max(1 / weight_max, weight))
end

-- `head` is the priority of the next run; a flow without one has none that may be admitted.
local flows = {}
local listed = redis.call('ZRANGE', flows_key, 0, flows_max - 1, 'WITHSCORES')
for i = 1, #listed, 2 do
  local batch = listed[i]
  local queue = admission.admit_prefix .. pool .. ':' .. batch
  local head = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
  local flow = { batch = batch, queue = queue, time = time_of(listed[i + 1]) or clock, step = 1, is_empty = not head[1] }
  if not time_of(listed[i + 1]) then redis.call('ZADD', flows_key, exact(clock), batch) end
  local unfit_at = head[1] and tonumber(redis.call('HGET', fair_key, 'unfit:' .. batch) or '')
  if head[1] and (string.find(batch_flags(admission, batch), 's', 1, true)
    or (unfit_at and now - unfit_at < sleep_ms)) then
    sleep(batch)
  else
    if head[1] then
      flow.head = tonumber(head[2])
      flow.step = 1 / weight_of(batch)
      flow.is_trial = unfit_at ~= nil and unfit_at ~= false
    end
    flows[#flows + 1] = flow
  end
end

local function first_due()
  local first = nil
  for _, flow in ipairs(flows) do
    if flow.head and (not first or flow.head < first.head or (flow.head == first.head and flow.time < first.time)) then
      first = flow
    end
  end
  return first
end

-- The clock goes on with the runs without a batch too, as far as it does not leave those behind that share with them.
local function move_clock()
  local least = math.huge
  for _, flow in ipairs(flows) do
    if flow.head == 1000000 then least = math.min(least, flow.time) end
  end
  clock = math.max(clock, math.min(singles - 1, least))
  if not singles_wait then singles = math.max(singles, math.min(clock, least)) end
end

-- Takes the next run of a flow; false when what stood there is no run that waits.
local function admit(flow, fed)
  local popped = redis.call('ZPOPMIN', flow.queue)
  local id, priority = popped[1], popped[2]
  local head = redis.call('ZRANGE', flow.queue, 0, 0, 'WITHSCORES')
  flow.head, flow.is_empty = tonumber(head[2] or ''), not head[1]
  local keys = keys_of(admission.run_prefix .. id)
  local values = redis.call('HMGET', keys.run, 'status', 'ticket', 'pool', 'batch')
  if values[1] ~= 'queued' or values[2] ~= '0' or values[3] ~= pool or values[4] ~= flow.batch then return false end
  redis.call('HINCRBY', admission.admission, pool, -1)
  redis.call('HSET', keys.run, 'ticket', 1, 'not_before', '')
  redis.call('ZADD', keys.live, now, id)
  redis.call('HINCRBY', keys.backlog, pool, 1)
  redis.call('SADD', fed_key, id)
  fed[#fed + 1] = id
  fed[#fed + 1] = priority
  return true
end

move_clock()
local fed = {}
local room = math.min(window - admitted, feed_max)
local flow = first_due()
while flow and room > 0 do
  -- While runs without a batch wait, a batch that is due later than they are waits too; those of a priority do not.
  if singles_wait and flow.head >= 1000000 and flow.time > singles then break end
  if admit(flow, fed) then
    room = room - 1
    clock = math.max(clock, flow.time)
    flow.time = flow.time + flow.step
    redis.call('ZADD', flows_key, exact(flow.time), flow.batch)
    if flow.is_trial then
      redis.call('HSET', fair_key, 'unfit:' .. flow.batch, exact(now))
      flow.head, flow.is_tried = nil, true
    end
  end
  flow = first_due()
end
move_clock()
local is_over = not singles_wait and #listed < 2 * flows_max
for _, flow in ipairs(flows) do
  if flow.is_empty and flow.time <= clock then
    redis.call('ZREM', flows_key, flow.batch)
    if flow.is_trial then redis.call('HDEL', fair_key, 'unfit:' .. flow.batch) end
  elseif not flow.is_empty then
    is_over = false
    if flow.is_tried then sleep(flow.batch) end
  end
end
-- When nobody waits, what comes next shares with nobody who was here.
if is_over then redis.call('DEL', flows_key) end
redis.call('HSET', fair_key, 'clock', exact(clock), 'singles', exact(singles), 'begun', begun)

-- The count is an economy, so that pools where nothing waits cost nothing: where it is wrong it is set right.
local waiting = tonumber(redis.call('HGET', admission.admission, pool) or '') or 0
local is_idle = redis.call('EXISTS', flows_key, asleep_key, admission.later) == 0
if waiting <= 0 and not is_idle then
  waiting = 0
  local function count(batches)
    for _, batch in ipairs(batches) do
      waiting = waiting + redis.call('ZCARD', admission.admit_prefix .. pool .. ':' .. batch)
    end
  end
  count(redis.call('ZRANGE', flows_key, 0, flows_max - 1))
  count(redis.call('ZRANGE', asleep_key, 0, flows_max - 1))
  if waiting > 0 then redis.call('HSET', admission.admission, pool, waiting) end
end
if waiting <= 0 or is_idle then
  waiting = 0
  redis.call('HDEL', admission.admission, pool)
end
local why, wait_ms = 'turns', 0
if flow and room <= 0 then
  why = 'full'
elseif not flow then
  why = 'asleep'
  local wakes = redis.call('ZRANGE', asleep_key, 0, 0, 'WITHSCORES')
  local comes = redis.call('ZRANGE', admission.later, 0, 0, 'WITHSCORES')
  local next_at = math.min(tonumber(wakes[2] or '') or math.huge, tonumber(comes[2] or '') or math.huge)
  wait_ms = next_at < math.huge and math.max(0, next_at - now) or sleep_ms
end
return { 'fed', waiting, why, wait_ms, unpack(fed) }
