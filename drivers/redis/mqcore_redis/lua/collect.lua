-- ARGV: limit. Removes up to so many expired messages, ended claims and expired subscriptions, and
-- returns how many. KEYS from 15 on are those of the subscriptions.
local SUBS, SUBSCRIBERS, ORDER, SUB_ENDS = unpack(KEYS, 15, 18)
local limit = tonumber(ARGV[3])
local room = limit

local function over(key)
  local found = call('ZRANGEBYSCORE', key, '-inf', NOW, 'LIMIT', 0, room)
  room = room - #found
  return found
end

local doomed = {}
for n, each in ipairs(over(ENDS)) do doomed[n] = read(number(each)) end
remove_each(doomed)
local ended = over(LEASES)
all('HDEL', CLAIMS, ended)
all('ZREM', LEASES, ended)
for _, id in ipairs(over(SUB_ENDS)) do
  local who = cmsgpack.unpack(call('HGET', SUBS, id))[2]
  call('HDEL', SUBS, id)
  call('HDEL', SUBSCRIBERS, who)
  call('ZREM', ORDER, id)
  call('ZREM', SUB_ENDS, id)
end
settle(limit)
all('ZREM', RUNS, call('ZRANGEBYSCORE', RUNS, '-inf', NOW, 'LIMIT', 0, limit))

local next_time
for _, key in ipairs({ENDS, LEASES, RUNS, SUB_ENDS}) do
  local soonest = call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
  if soonest then next_time = math.min(next_time or math.huge, tonumber(soonest)) end
end
if next_time then
  call('ZADD', AGENDA, next_time, STEM)
else
  call('ZREM', AGENDA, STEM)
end
return limit - room
