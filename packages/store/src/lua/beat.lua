-- One heartbeat of a worker process: which of its claims no longer hold, and its own sign of life.
-- KEYS: workers, holds, settings, runs...
-- ARGV: worker_id, worker_json, known_rev, epoch and claim of each run in turn...
-- worker_id: '' in all shards but the first, where nothing but the claims is looked at.
-- known_rev: the revision of the pools' settings that the worker knows, '' for none.
-- Reply: {lost, holds, rev, settings}; lost: a list of {place, fenced | pausing, status}, where places count from 0 and
--        claims that hold are left out; holds: pool and `paused` or milliseconds in turn, of each pool that is held; rev
--        and settings (fields and values in turn, see settings.lua) are there when the worker does not know them.
-- Keeps: R2 (a worker that lost its claim hears of it within a beat).
local workers_key, holds_key, settings_key = KEYS[1], KEYS[2], KEYS[3]
local worker_id, worker_json, known_rev = ARGV[1], ARGV[2], ARGV[3]
local first_run, first_claim = 4, 4

local now = now_ms()
if worker_id ~= '' then redis.call('HSET', workers_key, worker_id, string.format('%.0f ', now) .. worker_json) end
local lost = {}
for i = first_run, #KEYS do
  local place = i - first_run
  local epoch, claim = ARGV[first_claim + place * 2], ARGV[first_claim + place * 2 + 1]
  local values = redis.call('HMGET', KEYS[i], 'status', 'epoch', 'claim', 'pausing')
  if values[1] ~= 'running' or values[2] ~= epoch or values[3] ~= claim then
    lost[#lost + 1] = { place, 'fenced', values[1] or 'gone' }
  elseif values[4] == '1' then
    lost[#lost + 1] = { place, 'pausing', 'running' }
  end
end
local held = holds_now(holds_key, now)
local rev = redis.call('HGET', settings_key, 'rev') or ''
if rev == known_rev then return { lost, held } end
return { lost, held, rev, redis.call('HGETALL', settings_key) }
