-- Takes a namespace out of the list of namespaces, when nothing of it is left.
-- KEYS: space, runs, namespaces
-- ARGV: namespace, how
-- how: sweep keeps it as long as it spent something; drop forgets that too. One that has runs is kept by both.
-- Reply: {gone | kept}
-- Keeps: R1 (sent twice it says the same; it changes no run).
local space_key, runs_key, namespaces_key = KEYS[1], KEYS[2], KEYS[3]
local namespace, how = ARGV[1], ARGV[2]

if redis.call('EXISTS', runs_key) == 1 then return { 'kept' } end
if how == 'drop' then redis.call('DEL', space_key) end
if redis.call('EXISTS', space_key) == 1 then return { 'kept' } end
redis.call('SREM', namespaces_key, namespace)
return { 'gone' }
