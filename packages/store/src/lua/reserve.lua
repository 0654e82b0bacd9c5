-- Books one model call at its account and at its model: now, or in a slot that begins soon. Both have room, or neither
-- is booked. A call for which no room comes soon is not booked: it is told when to come back, behind those who were told
-- before, so that those who wait come back one after another.
-- KEYS: account, pool, calls, index
-- ARGV: call, amounts, window_ms, book_ms, lease_ms, account_limits, pool_limits
-- call: its id; '' asks only, and books nothing.
-- amounts: requests (one), tokens, input tokens, output tokens. The limits are in the same order, 0 where there is none,
--   and the fifth of the account are calls at once.
-- Reply: {free}: nothing limits it, and nothing was counted
--   | {granted, ms}: it may begin in so many milliseconds
--   | {wait, ms, bucket, place}: whose limit it is, and which, from 1
--   | {busy}: as many calls as may be at once are under way
-- Keeps: R1 (what is booked is not booked again; told twice, those who come later are told a later time).
local account_key, pool_key, calls_key, index_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call, amounts, window_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local book_ms, lease_ms = tonumber(ARGV[4]), tonumber(ARGV[5])
local account_limits, pool_limits = ARGV[6], ARGV[7]

local now = now_ms()
if call ~= '' then
  local slot = string.match(redis.call('HGET', account_key, 'c:' .. call) or '', '^%d+')
  if slot then return { 'granted', math.max(0, tonumber(slot) * math.ceil(window_ms / SLOTS) - now) } end
end

local wanted = numbers_in(amounts)
local account = open_bucket(account_key, account_limits, window_ms, now)
local pool = open_bucket(pool_key, pool_limits, window_ms, now, account.factor)

-- Each limit with what counts in its windows: windows[k] is the one of the slot that is k ahead, slots[k] that slot alone.
local bounds = {}
for _, bucket in ipairs({ account, pool }) do
  for place, limit in pairs(bucket.limits) do
    -- More than the limit would never fit: it goes when nothing else is in the window.
    local amount = math.min(wanted[place], limit)
    if amount > 0 then bounds[#bounds + 1] = { bucket = bucket, place = place, amount = amount, limit = limit } end
  end
end
if #bounds == 0 and account.concurrent == 0 and not account.cut_at and not pool.cut_at then return { 'free' } end

sweep(account, window_ms)
sweep(pool, window_ms)
if account.configured ~= account_limits then redis.call('HSET', account_key, 'configured', account_limits) end
if pool.configured ~= pool_limits then redis.call('HSET', pool_key, 'configured', pool_limits) end

-- Whoever died under a call left it here; its slot is long behind.
for _, old in ipairs(redis.call('ZRANGEBYSCORE', calls_key, '-inf', now - 2 * window_ms, 'LIMIT', 0, 20)) do
  redis.call('ZREM', calls_key, old)
  redis.call('HDEL', account_key, 'c:' .. old)
end
if account.concurrent > 0 and redis.call('ZCOUNT', calls_key, now, '+inf') >= account.concurrent then
  return { 'busy' }
end

local function fits(bound, k)
  local time = (bound.bucket.slot + k) * bound.bucket.slot_ms
  return bound.windows[k] + bound.amount + others_at(bound.bucket, bound.place, math.max(now, time)) <= bound.limit
end

-- No slot takes more than BURST slots' worth of the limit: providers refuse crowds, and a worker that sends one is late.
-- A few requests are no crowd.
local function is_crowded(bound, k)
  local there = bound.slots[k]
  local most = bound.limit * BURST / SLOTS
  if bound.place == 1 then most = math.max(most, 5) end
  return there > 0 and there + bound.amount > most
end

-- What takes a large part of the tokens may book further ahead: small calls would always be there before it.
local soon = math.min(REACH, math.floor((now + book_ms) / account.slot_ms) - account.slot)
local most_ahead = soon
for _, bound in ipairs(bounds) do
  if bound.place > 1 then
    most_ahead = math.max(most_ahead, math.min(REACH, soon + math.ceil(bound.amount / bound.limit * SLOTS)))
  end
end
-- Behind what is booked furthest, windows only become emptier.
local ahead = math.max(most_ahead, math.min(REACH, math.max(account.far, pool.far) - account.slot))

for _, bound in ipairs(bounds) do
  local first = bound.bucket.slot
  local booked = slots_of(bound.bucket, bound.place, first, first + ahead)
  local leaving = slots_of(bound.bucket, bound.place, first - REACH + 1, first - REACH + ahead)
  local sum = bound.bucket.sums[bound.place]
  for k = 1, ahead do sum = sum - booked[k + 1] end
  bound.windows, bound.slots = { [0] = sum }, { [0] = booked[1] }
  for k = 1, ahead do
    bound.slots[k] = booked[k + 1]
    bound.windows[k] = bound.windows[k - 1] + booked[k + 1] - leaving[k]
  end
end

-- The first slot from which on no window is too full: those behind it take in what is booked there, too.
local place_ahead, tight = nil, nil
for k = ahead, 0, -1 do
  local too_full, crowded = nil, nil
  for _, bound in ipairs(bounds) do
    if not fits(bound, k) then too_full = bound end
    if is_crowded(bound, k) then crowded = bound end
  end
  tight = too_full or crowded or tight
  if too_full then break end
  if not crowded then place_ahead = k end
end

if not place_ahead or place_ahead > most_ahead then
  local later = place_ahead or ahead + 1
  local bucket = string.match(tight.bucket.key, ':limit:(.+)$')
  -- Who only asks does not come back at a certain time.
  if call == '' then return { 'wait', (account.slot + later) * account.slot_ms - now, bucket, tight.place } end
  -- It is no booking, so the limit that is tightest now is enough to tell the time by.
  local first = tight.bucket.slot
  local told = slots_of(tight.bucket, tight.place, first + 1, first + REACH, 'g')
  local leaving = slots_of(tight.bucket, tight.place, first - REACH + ahead + 1, first)
  for k = ahead + 1, REACH do
    tight.slots[k] = 0
    tight.windows[k] = tight.windows[k - 1] - leaving[k - ahead]
  end
  local sum = 0
  for k = soon + 1, REACH do
    sum = sum + told[k]
    tight.windows[k] = tight.windows[k] + sum
    tight.slots[k] = tight.slots[k] + told[k]
  end
  while later < REACH and (not fits(tight, later) or is_crowded(tight, later)) do later = later + 1 end
  tell(tight.bucket, first + later, tight.place, tight.amount)
  return { 'wait', (first + later) * account.slot_ms - now, bucket, tight.place }
end

local slot = account.slot + place_ahead
local wait_ms = math.max(0, slot * account.slot_ms - now)
if call == '' then return { 'granted', wait_ms } end
count_since(account, window_ms, now)
count_since(pool, window_ms, now)
add_to(account, slot, wanted)
add_to(pool, slot, wanted)
redis.call('HSET', account_key, 'c:' .. call, slot .. ' ' .. amounts)
redis.call('ZADD', calls_key, now + wait_ms + lease_ms, call)
redis.call('PEXPIRE', calls_key, 2 * MEMORY * window_ms)
redis.call('ZADD', index_key, now, string.match(account_key, ':limit:(.+)$'), now,
  string.match(pool_key, ':limit:(.+)$'))
return { 'granted', wait_ms }
