-- A worker writes items of its claim. The cost does not depend on how long the conversation is (R3).
-- KEYS: run, log, events
-- ARGV: claim, epoch, len, is_turn, usage, item_count, items..., events...
-- Reply: {appended, len, pausing} | {duplicate, len, pausing} | {diverged} | {fenced, status}
-- Keeps: R2 (exact claim and epoch, status running), R3 (names the length that it continues), R5.
local run_key, log_key, events_key = KEYS[1], KEYS[2], KEYS[3]
local claim, epoch, len, is_turn, usage = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5]
local item_count = tonumber(ARGV[6])
local first_item = 7
local first_event = first_item + item_count

local values = redis.call('HMGET', run_key, 'status', 'epoch', 'claim', 'len', 'pausing')
if values[1] ~= 'running' or values[2] ~= epoch or values[3] ~= claim then return { 'fenced', values[1] or 'gone' } end
local pausing = values[5] == '1' and '1' or '0'
local written = tonumber(values[4])
if written ~= len then
  if written < len + item_count then return { 'diverged' } end
  local there = redis.call('LRANGE', log_key, len, len + item_count - 1)
  for i = 1, item_count do
    if there[i] ~= ARGV[first_item + i - 1] then return { 'diverged' } end
  end
  return { 'duplicate', int(len + item_count), pausing }
end

redis.call('RPUSH', log_key, unpack(ARGV, first_item, first_event - 1))
local fields = { 'len', int(len + item_count), 'crashes', '0', 'tries', '0', 'updated', int(now_ms()) }
if usage ~= '' then fields[#fields + 1] = 'usage'; fields[#fields + 1] = usage end
redis.call('HSET', run_key, unpack(fields))
if is_turn then
  redis.call('HINCRBY', run_key, 'turns', 1)
  redis.call('HINCRBY', run_key, 'total_turns', 1)
end
for i = first_event, #ARGV do emit(events_key, ARGV[i]) end
hint(events_key)
return { 'appended', int(len + item_count), pausing }
