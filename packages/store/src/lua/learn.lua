-- What a provider says of its limits: they are kept for a while, and used where none is configured. When less is left
-- than Baton's own calls leave, others use the same account: that counts too, and comes back until the provider's reset.
-- KEYS: bucket, index
-- ARGV: window_ms, limits, remaining, resets
-- Each for requests, tokens, input tokens, output tokens; `-` where the provider does not say. resets: milliseconds.
-- Reply: {learned}
-- Keeps: R1 (sent twice it says the same).
local bucket_key, index_key = KEYS[1], KEYS[2]
local window_ms, limits, remaining, resets = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]

local now = now_ms()
local bucket = open_bucket(bucket_key, nil, window_ms, now)
sweep(bucket, window_ms)
local told = {}
for _, words in ipairs({ limits, remaining, resets }) do
  local list = {}
  for word in string.gmatch(words, '%S+') do list[#list + 1] = tonumber(word) or false end
  told[#told + 1] = list
end
local learned, amounts, ends = {}, {}, {}
for place = 1, 4 do
  local limit, left, reset = told[1][place], told[2][place], told[3][place]
  learned[place] = limit or bucket.learned[place] or 0
  amounts[place], ends[place] = others_at(bucket, place, now), bucket.others[4 + place] or 0
  -- Calls on their way are counted here and not there yet: they hide others, who so are never less than they were.
  local rest = limit and left and limit - left - used_now(bucket, place) or 0
  if rest > amounts[place] then amounts[place], ends[place] = rest, now + (reset or window_ms) end
end
local function words_of(...)
  local words = {}
  for _, list in ipairs({ ... }) do
    for i = 1, #list do words[#words + 1] = string.format('%.0f', list[i]) end
  end
  return table.concat(words, ' ')
end
redis.call('HSET', bucket_key, 'learned', words_of(learned, { now + MEMORY * window_ms }),
  'others', words_of(amounts, ends, { now }))
redis.call('PEXPIRE', bucket_key, 2 * MEMORY * window_ms)
redis.call('ZADD', index_key, now, string.match(bucket_key, ':limit:(.+)$'))
return { 'learned' }
