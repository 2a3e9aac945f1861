-- The keys of a queue, and what every script on them needs.
-- A message is known by its number; `member` is that number as six bytes, as zsets hold it.
local AGENDA, QUEUE, STREAM, IDS, ENDS, RUNS, READY, HELD, DUE, LATER, CAME, LATE, CLAIMS, LEASES =
  unpack(KEYS, 1, 14)
local STEM = ARGV[1]
local NOW = tonumber(ARGV[2])
-- The most messages that come back in one call, beyond what the call asks for.
local STEP = 256
-- Arguments that one command is given: Lua cannot unpack many more.
local MOST = 4000

local call = redis.call

local function text(number)
  return string.format('%d', number)
end

-- Where the message is in the stream. Numbers are the last part of a place: Redis's index of places
-- has one node less for each page of messages then.
local function place(seq)
  return '0-' .. text(seq)
end

local function member(seq)
  return struct.pack('>I6', seq)
end

local function number(packed)
  return (struct.unpack('>I6', packed))
end

-- Run the command with all arguments, in as many calls as it takes; return what they return.
local function all(command, key, args)
  local results = {}
  for first = 1, #args, MOST do
    local some = call(command, key, unpack(args, first, math.min(first + MOST - 1, #args)))
    if type(some) == 'table' then
      for n = 1, #some do results[first + n - 1] = some[n] end
    end
  end
  return results
end

-- Add up what the command returns.
local function total(command, key, args)
  local sum = 0
  for first = 1, #args, MOST do
    sum = sum + call(command, key, unpack(args, first, math.min(first + MOST - 1, #args)))
  end
  return sum
end

local function untouched(seq)
  return {seq = seq, count = 0, ttl = 0, lease = 0, claim = ''}
end

-- What changes of a message: an untouched one is its number alone.
local function state(raw)
  if #raw == 6 then return untouched(number(raw)) end
  local seq, count, ttl, lease, rest = struct.unpack('>I6I4dd', raw)
  return {seq = seq, count = count, ttl = ttl, lease = lease, claim = raw:sub(rest)}
end

local function packed(s)
  return struct.pack('>I6I4dd', s.seq, s.count, s.ttl, s.lease) .. s.claim
end

local function holder(s)
  return s.lease > NOW and s.claim or ''
end

-- What never changes of a message.
local function entry(seq, f)
  return {seq = seq, id = f[2], posted = f[4], ttl = f[6], client = f[8], sum = f[10], body = f[12]}
end

local function fields(e)
  return {'i', e.id, 'p', e.posted, 't', e.ttl, 'c', e.client, 'k', e.sum, 'b', e.body}
end

local function read(seq)
  local at = place(seq)
  local found = call('XRANGE', STREAM, at, at)[1]
  if found then return entry(seq, found[2]) end
  local raw = call('HGET', LATE, member(seq))
  return raw and entry(seq, cmsgpack.unpack(raw))
end

-- Those that are `fresh`, beyond the cursor, are as they were posted.
local function states(entries)
  local ids, places, found = {}, {}, {}
  for n, e in ipairs(entries) do
    if e.fresh then
      found[n] = untouched(e.seq)
    else
      ids[#ids + 1], places[#places + 1] = e.id, n
    end
  end
  for n, raw in ipairs(all('HMGET', IDS, ids)) do found[places[n]] = state(raw) end
  return found
end

local function reply(e, s)
  local ttl = s.ttl > 0 and text(s.ttl) or e.ttl
  return {e.id, e.body, ttl, e.posted, holder(s), s.count, e.sum}
end

local function replies(entries)
  local found = states(entries)
  for n, e in ipairs(entries) do found[n] = reply(e, found[n]) end
  return found
end

-- Forget claims that are over, up to `room`; return a time until which none is left.
-- A claim goes before its messages come back: nobody whose clock is behind can renew it then.
local function forget(room)
  local ended = call('ZRANGEBYSCORE', LEASES, '-inf', NOW, 'WITHSCORES', 'LIMIT', 0, room)
  local ids = {}
  for n = 1, #ended, 2 do ids[#ids + 1] = ended[n] end
  all('HDEL', CLAIMS, ids)
  all('ZREM', LEASES, ids)
  return #ids < room and NOW or tonumber(ended[#ended]) - 1
end

-- Let messages come back whose delay or claim is over, up to `room` of each.
local function settle(room)
  local over = call('ZRANGEBYSCORE', DUE, '-inf', NOW, 'LIMIT', 0, room)
  local ended = call('ZRANGEBYSCORE', HELD, '-inf', text(forget(room)), 'LIMIT', 0, room)
  for n, some in ipairs({over, ended}) do
    local args = {}
    for _, each in ipairs(some) do
      args[#args + 1] = number(each)
      args[#args + 1] = each
    end
    -- What frees memory comes first: a server that is out of memory lets a script go on then.
    all('ZREM', n == 1 and DUE or HELD, some)
    all('ZADD', READY, args)
    if n == 1 then
      all('ZREM', LATER, some)
      all('ZADD', CAME, args)
    end
  end
end

-- Remove messages: things with `seq` and `id`.
local function remove(doomed)
  local places, ids, members = {}, {}, {}
  for n, each in ipairs(doomed) do
    places[n], ids[n], members[n] = place(each.seq), each.id, member(each.seq)
  end
  all('HDEL', IDS, ids)
  for _, key in ipairs({ENDS, READY, HELD}) do all('ZREM', key, members) end
  if total('XDEL', STREAM, places) < #doomed then
    for _, key in ipairs({DUE, LATER, CAME}) do all('ZREM', key, members) end
    all('HDEL', LATE, members)
  end
end
