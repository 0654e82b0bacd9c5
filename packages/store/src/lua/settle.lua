-- Ends a booked call: what it really took stands in its slot instead of the estimate, and it is not at work any more.
-- KEYS: account, pool, calls
-- ARGV: call, amounts, window_ms
-- amounts: requests, tokens, input tokens, output tokens; '' when it is not known what it took: the estimate stays.
-- Reply: {settled | unknown}
-- Keeps: R1 (sent twice, the second finds no such call).
local account_key, pool_key, calls_key = KEYS[1], KEYS[2], KEYS[3]
local call, amounts, window_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])

local booked = redis.call('HGET', account_key, 'c:' .. call)
if not booked then return { 'unknown' } end
redis.call('HDEL', account_key, 'c:' .. call)
redis.call('ZREM', calls_key, call)
if amounts == '' then return { 'settled' } end

local now = now_ms()
local account = open_bucket(account_key, nil, window_ms, now)
local pool = open_bucket(pool_key, nil, window_ms, now)
sweep(account, window_ms)
sweep(pool, window_ms)
local estimate, taken = numbers_in(booked), numbers_in(amounts)
local slot = table.remove(estimate, 1)
-- No window reaches its slot any more.
if slot <= account.slot - REACH then return { 'settled' } end
local change = {}
for place = 1, 4 do change[place] = (taken[place] or 0) - (estimate[place] or 0) end
add_to(account, slot, change)
add_to(pool, slot, change)
return { 'settled' }
