-- One heartbeat of a worker process: which of its claims no longer hold, and its own sign of life.
-- KEYS: workers, holds, runs...
-- ARGV: worker_id, worker_json, epoch and claim of each run in turn...
-- Reply: {lost, holds}; lost: a list of {place, fenced | pausing, status}, where places count from 0 and claims that
--        hold are left out; holds: pool and `paused` or milliseconds in turn, of each pool that is held.
-- Keeps: R2 (a worker that lost its claim hears of it within a beat).
local workers_key, holds_key = KEYS[1], KEYS[2]
local worker_id, worker_json = ARGV[1], ARGV[2]

local now = now_ms()
redis.call('HSET', workers_key, worker_id, string.format('%.0f ', now) .. worker_json)
local lost = {}
for i = 3, #KEYS do
  local epoch, claim = ARGV[(i - 3) * 2 + 3], ARGV[(i - 3) * 2 + 4]
  local values = redis.call('HMGET', KEYS[i], 'status', 'epoch', 'claim', 'pausing')
  if values[1] ~= 'running' or values[2] ~= epoch or values[3] ~= claim then
    lost[#lost + 1] = { i - 3, 'fenced', values[1] or 'gone' }
  elseif values[4] == '1' then
    lost[#lost + 1] = { i - 3, 'pausing', 'running' }
  end
end
return { lost, holds_now(holds_key, now) }
