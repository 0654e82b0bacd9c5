-- Put before the scripts of limits, behind the prelude. A bucket counts what was asked of a provider: of one account,
-- or of one model of it. It is a hash; its fields are documented in ../account-limits.ts.
--
-- Time is cut into slots, 120 a window. What is asked counts in the slot for which it was booked, and in the windows of
-- that slot and of the REACH - 1 slots behind it. A window of slots is thus longer than a real one by one to two slots:
-- that much a call may be late on its way to the provider, and still no real window holds more than the limit.

local LETTERS = { 'r', 't', 'i', 'o' }
local SLOTS = 120
local REACH = SLOTS + 2
local BURST = 8
-- What is learned is kept for so many windows.
local MEMORY = 10
-- Where no limit is known, refusals do not bound requests below this.
local CUT_LEAST = 6

local function numbers_in(text)
  local numbers = {}
  for word in string.gmatch(text or '', '%S+') do numbers[#numbers + 1] = tonumber(word) or 0 end
  return numbers
end

-- `account_factor`: by how much refusals have cut the limits of all models of the account.
-- A limit that is configured goes before one that was learned, and no refusal cuts it: it is a person's word. `limits` has
-- none where nothing limits.
local function open_bucket(bucket_key, configured, window_ms, now, account_factor)
  local values = redis.call('HMGET', bucket_key, 'learned', 'others', 'cut', 'swept', 'configured', 'sr', 'st', 'si',
    'so', 'far', 'since')
  local slot_ms = math.ceil(window_ms / SLOTS)
  local bucket = {
    key = bucket_key, slot_ms = slot_ms, slot = math.floor(now / slot_ms), limits = {}, others = numbers_in(values[2]),
    swept = tonumber(values[4] or ''), configured = values[5], factor = 1, base = 0, sums = {},
    far = tonumber(values[10] or '') or 0, since = tonumber(values[11] or ''),
  }
  -- Asked with another window than it was booked with, it says nonsense, but never for long.
  bucket.far = math.min(bucket.far, bucket.slot + REACH)
  for place = 1, 4 do bucket.sums[place] = tonumber(values[5 + place] or '') or 0 end
  local own, learned, cut = numbers_in(configured or values[5]), numbers_in(values[1]), numbers_in(values[3])
  if #cut >= 4 and cut[4] > now then
    -- What was cut doubles each quarter of a window.
    local growth = 2 ^ (4 * (now - cut[2]) / window_ms)
    bucket.factor, bucket.base, bucket.cut_at = math.min(1, cut[1] * growth), cut[3] * growth, cut[2]
  end
  local is_known = #learned == 5 and learned[5] > now
  bucket.learned = is_known and learned or {}
  for place = 1, 4 do
    local learned_limit = bucket.learned[place] or 0
    if (own[place] or 0) > 0 then
      bucket.limits[place] = own[place]
    elseif learned_limit > 0 then
      bucket.limits[place] = math.max(1, math.floor(learned_limit * math.min(bucket.factor, account_factor or 1)))
    elseif place == 1 and bucket.base > 0 then
      bucket.limits[place] = math.floor(bucket.base)
    end
  end
  bucket.concurrent = own[5] or 0
  return bucket
end

-- What others use of the limit, as far as the provider told: it comes back to all evenly until the time that it named.
local function others_at(bucket, place, time)
  local amount, until_ms, at = bucket.others[place] or 0, bucket.others[4 + place] or 0, bucket.others[9] or 0
  if amount == 0 or until_ms <= time or until_ms <= at then return 0 end
  return amount * (until_ms - math.max(at, time)) / (until_ms - at)
end

-- The amounts of the slots from..to: what is booked, or with the prefix 'g' what was told to come then.
local function slots_of(bucket, place, from, to, prefix)
  local fields = {}
  for slot = from, to do fields[#fields + 1] = (prefix or '') .. LETTERS[place] .. slot end
  if #fields == 0 then return {} end
  local values = redis.call('HMGET', bucket.key, unpack(fields))
  for i = 1, #values do values[i] = tonumber(values[i] or '') or 0 end
  return values
end

-- Removes the slots that no window reaches any more. Afterwards the sums are those of the present window and of what is
-- booked ahead. Only a swept bucket may be added to, or asked for what is used.
local function sweep(bucket, window_ms)
  local last = bucket.slot - REACH
  local from = bucket.swept or last
  if bucket.swept and from >= last then return end
  local to = math.min(last, from + 3 * REACH)
  local fields = {}
  for place, letter in ipairs(LETTERS) do
    local gone = 0
    for _, amount in ipairs(slots_of(bucket, place, from + 1, to)) do gone = gone + amount end
    if gone ~= 0 then
      bucket.sums[place] = bucket.sums[place] - gone
      redis.call('HINCRBY', bucket.key, 's' .. letter, string.format('%.0f', -gone))
    end
    for slot = from + 1, to do
      fields[#fields + 1] = letter .. slot
      fields[#fields + 1] = 'g' .. letter .. slot
    end
  end
  if #fields > 0 then redis.call('HDEL', bucket.key, unpack(fields)) end
  redis.call('HSET', bucket.key, 'swept', last)
  redis.call('PEXPIRE', bucket.key, 2 * MEMORY * window_ms)
end

-- What counts in the window of the present slot.
local function used_now(bucket, place)
  local used = bucket.sums[place]
  for _, amount in ipairs(slots_of(bucket, place, bucket.slot + 1, bucket.far)) do used = used - amount end
  return used
end

-- From when on all that was asked is in the bucket. Where nothing limits, nothing is counted: after a window without a
-- booking it begins anew, but for a bucket that was cut, which counts all the time.
local function count_since(bucket, window_ms, now)
  local is_fresh = bucket.far > bucket.slot - REACH or bucket.cut_at or now - (bucket.since or 0) < window_ms
  if bucket.since and is_fresh then return bucket.since end
  bucket.since = now
  redis.call('HSET', bucket.key, 'since', string.format('%.0f', now))
  return now
end

-- Those who were told to come back, by slot.
local function tell(bucket, slot, place, amount)
  redis.call('HINCRBY', bucket.key, 'g' .. LETTERS[place] .. slot, string.format('%.0f', amount))
end

local function add_to(bucket, slot, amounts)
  for place = 1, 4 do
    local amount = amounts[place] or 0
    if amount ~= 0 then
      local text = string.format('%.0f', amount)
      redis.call('HINCRBY', bucket.key, LETTERS[place] .. slot, text)
      redis.call('HINCRBY', bucket.key, 's' .. LETTERS[place], text)
    end
  end
  if slot > bucket.far then redis.call('HSET', bucket.key, 'far', slot) end
end
