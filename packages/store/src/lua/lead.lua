-- Elects the one process that reconciles, for the length of a lease, and tells Redis' own time.
-- KEYS: leader
-- ARGV: holder, lease_ms
-- lease_ms: 0 gives the lease back.
-- Reply: {leads | follows | released, now, holder}; holder: who leads now, '' when nobody does.
-- Keeps: R1 (sent twice it says the same), R4 (when a leader is lost another one follows at the end of its lease).
local leader_key = KEYS[1]
local holder, lease_ms = ARGV[1], tonumber(ARGV[2])

local now = string.format('%.0f', now_ms())
local current = redis.call('GET', leader_key)
if current and current ~= holder then return { 'follows', now, current } end
if lease_ms == 0 then
  redis.call('DEL', leader_key)
  return { 'released', now, '' }
end
redis.call('SET', leader_key, holder, 'PX', lease_ms)
return { 'leads', now, holder }
