-- Compares the records of runs with the indexes, and sets the indexes right: the record is the truth.
-- KEYS: runs...
-- ARGV: how, namespace, group of each run in turn...
-- how: repair | look; to look changes nothing. group: the one that the run was found under in the status index, or in that
-- of the namespace when one is given, or ''.
-- Reply: a list of {place, what...} of the runs that were out of step; places count from 0; what: `<index>+` for a
--        member that was missing, `<index>-` for one too many (`space` is that of a namespace's runs), `ended-` for one
--        that a run left whose retention has passed, `deadlines~` for another time, `admission+` for a run that had lost
--        its place there, `corrupt` for a record that cannot be read, which is left alone.
-- Keeps: R1 (sent twice it finds nothing the second time), R4 (a live run is in `live`, where its entry is looked for).
local keys = keys_of(KEYS[1])
local how, namespace = ARGV[1], ARGV[2]
local first_group = 3
local repair = how == 'repair'

-- Each index is asked for all runs in one command, which is most of what makes this cheap.
local ids, records, members = {}, {}, {}
for place = 1, #KEYS do
  local run_key = KEYS[place]
  local id = string.match(run_key, ':run:(.+)$')
  local values = redis.pcall('HMGET', run_key, 'status', 'deadline', 'ticket', 'namespace')
  local status = values[1]
  local group = status and (is_live(status) and 'live' or (status == 'waiting' or is_terminal(status)) and status)
  ids[place] = id
  records[place] = {
    status = status, group = group, deadline = tonumber(values[2] or ''),
    admission = status == 'queued' and values[3] == '0',
    namespace = values[4] and values[4] ~= '' and values[4] or nil,
    -- A key that holds anything but a record with a status that we know is not ours to judge.
    corrupt = values.err or (status and not group) or (not status and redis.call('EXISTS', run_key) == 1),
  }
  members[place] = (group or '') .. '/' .. id
end
local in_status = redis.call('ZMSCORE', keys.status, unpack(members))
local in_running = redis.call('ZMSCORE', keys.running, unpack(ids))
local in_live = redis.call('ZMSCORE', keys.live, unpack(ids))
local in_deadlines = redis.call('ZMSCORE', keys.deadlines, unpack(ids))

-- `score` is what the index holds, `wanted` what it should hold; either may be false.
local function settle(found, name, index, member, score, wanted)
  if score and not wanted then
    found[#found + 1] = name .. '-'
    if repair then redis.call('ZREM', index, member) end
  elseif wanted and not score then
    found[#found + 1] = name .. '+'
    if repair then redis.call('ZADD', index, wanted, member) end
  end
end

local now = now_ms()

-- R4: whether a run that waits for its admission has its place there; to repair gives it one. Its count is left as it is,
-- because it was counted when it came; feed.lua sets counts right.
local function has_place(run_key, id)
  local admission = admission_of(keys.tag)
  local values = redis.call('HMGET', run_key, 'pool', 'batch', 'priority', 'not_before')
  local pool, batch, not_before = values[1], values[2], tonumber(values[4] or '')
  if not_before and redis.call('ZSCORE', admission.later, id) then return true end
  if redis.call('ZSCORE', admission.admit_prefix .. pool .. ':' .. batch, id)
    and (redis.call('ZSCORE', admission.flows_prefix .. pool, batch)
      or redis.call('ZSCORE', admission.asleep_prefix .. pool, batch)) then return true end
  if repair and not_before and not_before > now then
    redis.call('ZADD', admission.later, not_before, id)
  elseif repair then
    join_flow(keys, admission, pool, batch, id, values[3])
  end
  return false
end

local spaces = spaces_of(keys.tag)

-- A run of a namespace is in the index of that, and the namespace is in the list of them.
local function settle_space(found, record, member)
  local index = spaces.space_prefix .. record.namespace .. ':runs'
  settle(found, 'space', index, member, redis.call('ZSCORE', index, member), record.group and '0')
  if redis.call('SISMEMBER', spaces.namespaces, record.namespace) == 0 then
    found[#found + 1] = 'namespaces+'
    if repair then redis.call('SADD', spaces.namespaces, record.namespace) end
  end
end

-- `under` is where the run was found, in the index of the given namespace or in that of all runs.
local function settle_found(found, record, id, under)
  local index, name = keys.status, 'status'
  if namespace ~= '' then index, name = spaces.space_prefix .. namespace .. ':runs', 'space' end
  if under == record.group and (namespace == '' or namespace == record.namespace) then return end
  if not record.group and is_terminal(under) then name = 'ended' end
  -- It may have moved on since it was found there.
  local member = under .. '/' .. id
  settle(found, name, index, member, redis.call('ZSCORE', index, member), false)
end

local out_of_step = {}
for place = 1, #KEYS do
  local id, record, found = ids[place], records[place], { place - 1 }
  local group = record.group
  if record.corrupt then
    found[2] = 'corrupt'
  else
    settle(found, 'status', keys.status, members[place], in_status[place], group and '0')
    if record.namespace then settle_space(found, record, members[place]) end
    local under = ARGV[first_group + place - 1]
    if under ~= '' then settle_found(found, record, id, under) end
    settle(found, 'running', keys.running, id, in_running[place], record.status == 'running' and now)
    settle(found, 'live', keys.live, id, in_live[place], group == 'live' and not record.admission and now)
    if record.admission and not has_place(KEYS[place], id) then
      found[#found + 1] = 'admission+'
    end
    local score, deadline = in_deadlines[place], (group == 'live' or group == 'waiting') and record.deadline
    settle(found, 'deadlines', keys.deadlines, id, score, deadline)
    if deadline and score and tonumber(score) ~= deadline then
      found[#found + 1] = 'deadlines~'
      if repair then redis.call('ZADD', keys.deadlines, deadline, id) end
    end
  end
  if #found > 1 then out_of_step[#out_of_step + 1] = found end
end
return out_of_step
