-- A booked call begins later than it was booked for: from now on it counts as of now.
-- KEYS: account, pool
-- ARGV: call, window_ms
-- Reply: {moved | unknown}
-- Keeps: R1 (sent twice it says the same, of a moment later).
local account_key, pool_key = KEYS[1], KEYS[2]
local call, window_ms = ARGV[1], tonumber(ARGV[2])

local booked = redis.call('HGET', account_key, 'c:' .. call)
if not booked then return { 'unknown' } end
local now = now_ms()
local account = open_bucket(account_key, nil, window_ms, now)
local pool = open_bucket(pool_key, nil, window_ms, now)
sweep(account, window_ms)
sweep(pool, window_ms)
local amounts = numbers_in(booked)
local slot = table.remove(amounts, 1)
if slot < account.slot then
  local back = {}
  for place = 1, 4 do back[place] = -amounts[place] end
  for _, bucket in ipairs({ account, pool }) do
    -- What no window reaches any more is swept, and not there to be taken back.
    if slot > account.slot - REACH then add_to(bucket, slot, back) end
    add_to(bucket, bucket.slot, amounts)
  end
  redis.call('HSET', account_key, 'c:' .. call, account.slot .. ' ' .. table.concat(amounts, ' '))
end
return { 'moved' }
