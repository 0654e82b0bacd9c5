-- Writes what is only for watchers (text deltas, tool starts, notices) of many runs in one call, fenced.
-- KEYS: runs...
-- ARGV: epoch, claim and events (a JSON array) of each run in turn...
-- Reply: how many were written; those of a lost claim are dropped.
-- Keeps: R2. A call that is sent again repeats its events: they are echo, not truth.
local written = 0
for i = 1, #KEYS do
  local place = (i - 1) * 3
  local epoch, claim, event = ARGV[place + 1], ARGV[place + 2], ARGV[place + 3]
  local values = redis.call('HMGET', KEYS[i], 'status', 'epoch', 'claim')
  if values[1] == 'running' and values[2] == epoch and values[3] == claim then
    local keys = keys_of(KEYS[i])
    emit(keys, event)
    hint(keys)
    written = written + 1
  end
end
return written
