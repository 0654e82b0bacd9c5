-- A worker writes items of its claim. The cost does not depend on how long the conversation is (R3).
-- KEYS: run
-- ARGV: claim, epoch, len, is_turn, usage, spend, item_count, items..., events
-- spend: `<tokens> <nano-USD> <batch> <namespace>` of the reply, when the run is in a batch or a namespace; else ''.
-- events: a JSON array, one entry of the stream; '' for none.
-- Reply: {appended | duplicate, len, pausing, batch_flags} | {diverged} | {fenced, status}
-- Keeps: R2 (exact claim and epoch, status running), R3 (names the length that it continues), R5.
local keys = keys_of(KEYS[1])
local claim, epoch, len, is_turn, usage = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5]
local spend, item_count = ARGV[6], tonumber(ARGV[7])
local first_item = 8
local events = ARGV[first_item + item_count]

local values = redis.call('HMGET', keys.run, 'status', 'epoch', 'claim', 'len', 'pausing', 'turns', 'total_turns')
if values[1] ~= 'running' or values[2] ~= epoch or values[3] ~= claim then return { 'fenced', values[1] or 'gone' } end
local pausing = values[5] == '1' and '1' or '0'
local function flags()
  local batch = string.match(spend, '^%d+ %S+ (%S+) ')
  return batch and batch_flags(keys, batch) or ''
end
local written = tonumber(values[4])
if written ~= len then
  if written < len + item_count then return { 'diverged' } end
  local there = redis.call('LRANGE', keys.log, len, len + item_count - 1)
  for i = 1, item_count do
    if there[i] ~= ARGV[first_item + i - 1] then return { 'diverged' } end
  end
  return { 'duplicate', len + item_count, pausing, flags() }
end

local new_len = len + item_count
if item_count > 0 then redis.call('RPUSH', keys.log, unpack(ARGV, first_item, first_item + item_count - 1)) end
if is_turn then
  redis.call('HSET', keys.run, 'len', new_len, 'crashes', '0', 'tries', '0', 'updated', now_ms(),
    'usage', usage, 'turns', values[6] + 1, 'total_turns', values[7] + 1)
else
  redis.call('HSET', keys.run, 'len', new_len, 'crashes', '0', 'tries', '0', 'updated', now_ms())
end
if events ~= '' then
  emit(keys, events)
  hint(keys)
end
if spend ~= '' then book_spend(keys, spend) end
return { 'appended', new_len, pausing, flags() }
