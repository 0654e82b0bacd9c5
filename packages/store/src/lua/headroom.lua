-- What the buckets hold, for people.
-- KEYS: bucket and calls of each in turn...
-- ARGV: window_ms
-- used: what is booked ahead included.
-- Reply: for each bucket {limits, used, others, told, learned, calls}: the first five by requests, tokens, input tokens and
--   output tokens, limits 0 where there is none; told: of those who were told to come back; learned: 1 where the limit
--   was learned; calls: under way, and how many may be.
-- Keeps: R1 (it changes nothing).
local window_ms = tonumber(ARGV[1])

local now = now_ms()
local factors = {}
for i = 1, #KEYS, 2 do factors[KEYS[i]] = open_bucket(KEYS[i], nil, window_ms, now).factor end
-- Of the account of a model's bucket. Names of models may have slashes in them, too.
local function account_factor(bucket_key)
  local factor = 1
  for place in string.gmatch(bucket_key, '()/') do
    factor = math.min(factor, factors[string.sub(bucket_key, 1, place - 1)] or 1)
  end
  return factor
end

local reply = {}
for i = 1, #KEYS, 2 do
  local bucket = open_bucket(KEYS[i], nil, window_ms, now, account_factor(KEYS[i]))
  local own = numbers_in(bucket.configured)
  local limits, used, others, told, learned = {}, {}, {}, {}, {}
  for place = 1, 4 do
    limits[place] = bucket.limits[place] or 0
    used[place] = 0
    for _, amount in ipairs(slots_of(bucket, place, bucket.slot - REACH + 1, math.max(bucket.slot, bucket.far))) do
      used[place] = used[place] + amount
    end
    others[place] = math.floor(others_at(bucket, place, now))
    learned[place] = limits[place] > 0 and (own[place] or 0) == 0 and 1 or 0
    told[place] = 0
    for _, amount in ipairs(slots_of(bucket, place, bucket.slot + 1, bucket.slot + REACH, 'g')) do
      told[place] = told[place] + amount
    end
  end
  local calls = redis.call('ZCOUNT', KEYS[i + 1], now, '+inf')
  reply[#reply + 1] = { limits, used, others, told, learned, { calls, bucket.concurrent } }
end
return reply
