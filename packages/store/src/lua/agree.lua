-- A process says which encryption key it seals with, unless another one said so since it looked: then it looks again first,
-- because it may lack that key.
-- KEYS: encryption
-- ARGV: key_id, proof, known_count
-- known_count: how many keys it saw.
-- Reply: {known | added | moved}
-- Keeps: R1 (sent twice it writes once; it changes no run), R9 (a proof opens nothing).
local encryption_key = KEYS[1]
local key_id, proof, known_count = ARGV[1], ARGV[2], tonumber(ARGV[3])

if redis.call('HEXISTS', encryption_key, key_id) == 1 then return { 'known' } end
if redis.call('HLEN', encryption_key) ~= known_count then return { 'moved' } end
redis.call('HSET', encryption_key, key_id, string.format('%.0f ', now_ms()) .. proof)
return { 'added' }
