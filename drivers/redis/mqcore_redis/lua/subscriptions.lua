-- The subscriptions to a queue name. A record is the id, subscriber, ttl, options, when it was
-- created, when it was last renewed and whether it is confirmed.
local AGENDA, SUBS, SUBSCRIBERS, ORDER, ENDS = unpack(KEYS)
local STEM, NOW = ARGV[1], tonumber(ARGV[2])
local call = redis.call

local function live(id)
  local ends = call('ZSCORE', ENDS, id)
  if ends and tonumber(ends) > NOW then return cmsgpack.unpack(call('HGET', SUBS, id)) end
end

local function remove(id)
  local raw = call('HGET', SUBS, id)
  if not raw then return end
  call('HDEL', SUBSCRIBERS, cmsgpack.unpack(raw)[2])
  call('HDEL', SUBS, id)
  call('ZREM', ORDER, id)
  call('ZREM', ENDS, id)
end

local function save(record, ends)
  local id = record[1]
  call('HSET', SUBS, id, cmsgpack.pack(record))
  call('HSET', SUBSCRIBERS, record[2], id)
  call('ZADD', ORDER, 0, id)
  call('ZADD', ENDS, ends, id)
  call('ZADD', AGENDA, 'LT', ends, STEM)
end

-- The subscription that a subscriber has now; an expired one makes way.
local function of(subscriber)
  local id = call('HGET', SUBSCRIBERS, subscriber)
  if not id then return end
  local found = live(id)
  if not found then remove(id) end
  return found
end
