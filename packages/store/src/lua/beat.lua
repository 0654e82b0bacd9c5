-- One heartbeat of a worker process: which of its claims no longer hold, and its own sign of life.
-- KEYS: workers, runs...
-- ARGV: worker_id, worker_json, epoch and claim of each run in turn...
-- Reply: a list of {place, fenced | pausing, status}; places count from 0, claims that hold are left out.
-- Keeps: R2 (a worker that lost its claim hears of it within a beat).
local workers_key = KEYS[1]
local worker_id, worker_json = ARGV[1], ARGV[2]

redis.call('HSET', workers_key, worker_id, now_ms() .. ' ' .. worker_json)
local lost = {}
for i = 2, #KEYS do
  local epoch, claim = ARGV[(i - 2) * 2 + 3], ARGV[(i - 2) * 2 + 4]
  local values = redis.call('HMGET', KEYS[i], 'status', 'epoch', 'claim', 'pausing')
  if values[1] ~= 'running' or values[2] ~= epoch or values[3] ~= claim then
    lost[#lost + 1] = { i - 2, 'fenced', values[1] or 'gone' }
  elseif values[4] == '1' then
    lost[#lost + 1] = { i - 2, 'pausing', 'running' }
  end
end
return lost
