-- Sets room aside for runs that a namespace is about to make or to wake. Several who look at once do not take the same room
-- by it: each counts the runs of those before it as if they were live already. All of it lies in shard 0, wherever the runs are.
-- KEYS: room
-- ARGV: holder, how, runs, lease_ms, margin_ms
-- how: ask, for so many runs, behind those who asked before; keep, for as many or fewer from now on, with a new lease; leave.
-- margin_ms: so long before its lease is over, nothing is made of it any more: see `until_ms` of create.lua and retry.lua.
-- Reply: {held, runs of those before it, the time until which it may be used} | {left} | {gone}: its lease is over
-- Keeps: R1 (sent twice it has the effect of once, but for the lease that begins anew; it changes no run).
--
-- Fields: `last`, the number of who asked last, and of each holder `<number> <runs> <end of the lease>`. A holder who is gone
-- without a word is forgotten with its lease, so what it had aside is free again.
local room_key = KEYS[1]
local holder, how = ARGV[1], ARGV[2]
local runs, lease_ms, margin_ms = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])

if how == 'leave' then
  redis.call('HDEL', room_key, holder)
  return { 'left' }
end
local now = now_ms()
local all = redis.call('HGETALL', room_key)
local last, own, others = 0, nil, {}
for i = 1, #all, 2 do
  if all[i] == 'last' then
    last = tonumber(all[i + 1])
  else
    local number, held, ends = string.match(all[i + 1], '^(%d+) (%d+) (%d+)$')
    local entry = { number = tonumber(number), runs = tonumber(held) }
    if tonumber(ends) <= now then
      redis.call('HDEL', room_key, all[i])
    elseif all[i] == holder then
      own = entry
    else
      others[#others + 1] = entry
    end
  end
end
if not own then
  if how ~= 'ask' then return { 'gone' } end
  own = { number = last + 1, runs = runs }
  redis.call('HSET', room_key, 'last', own.number)
end
-- Never more than it asked for: those behind it have counted it by that.
own.runs = math.min(own.runs, runs)
redis.call('HSET', room_key, holder, string.format('%d %d %.0f', own.number, own.runs, now + lease_ms))
redis.call('PEXPIRE', room_key, lease_ms)
local before = 0
for _, other in ipairs(others) do
  if other.number < own.number then before = before + other.runs end
end
return { 'held', before, string.format('%.0f', now + lease_ms - margin_ms) }
