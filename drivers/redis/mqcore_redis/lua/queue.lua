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

-- As text, for commands: Redis writes a number out as a fraction, which takes several times as long.
-- Ends come again and again.
local written = setmetatable({}, {__index = function(known, number)
  local said = text(number)
  known[number] = said
  return said
end})

-- Where the message is in the stream. Numbers are the last part of a place: Redis's index of places
-- has one node less for each page of messages then.
local function place(seq)
  return string.format('0-%d', seq)
end

local function member(seq)
  return struct.pack('>I6', seq)
end

local function number(packed)
  return (struct.unpack('>I6', packed))
end

-- Run the command with all arguments, in as many calls as it takes; return what they return.
local function all(command, key, args)
  if #args == 0 then return {} end
  if #args <= MOST then return call(command, key, unpack(args)) end
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

-- What changes of a message, after its number; there is nothing of one that nobody has touched.
local function changed(e, raw)
  if #raw > 6 then
    local _, count, ttl, lease, rest = struct.unpack('>I6I4dd', raw)
    e.count, e.ttl, e.lease, e.claim = count, ttl, lease, raw:sub(rest)
  end
  return e
end

local function packed_state(e)
  return struct.pack('>I4dd', e.count, e.ttl, e.lease) .. e.claim
end

local function packed(e)
  return member(e.seq) .. packed_state(e)
end

local function holder(e)
  return e.lease > NOW and e.claim or ''
end

-- A record is what never changes of a message: when it was posted and its ttl (8 bytes each), the lengths
-- of its client, checksum and id (4, 4, 2), then the id, the client, the checksum and the body.
local function id_of(record)
  return (struct.unpack('>I2c0', record, 25))
end

local function client_of(record)
  local length, _, before = struct.unpack('>I4I4I2', record, 17)
  return record:sub(27 + before, 26 + before + length)
end

-- When it expires if no claim makes its life longer; nothing makes it shorter.
local function own_end(record)
  local posted, ttl = struct.unpack('>dd', record)
  return posted + ttl
end

local function with_ttl(record, ttl)
  return record:sub(1, 8) .. struct.pack('>d', ttl) .. record:sub(17)
end

-- All that anybody will note of it has its place from the begin: a table that grows is built again.
local function entry(seq, record, fresh)
  return {
    seq = seq, member = member(seq), id = id_of(record), record = record, fresh = fresh,
    life = 0, count = 0, ttl = 0, lease = 0, claim = '',
  }
end

local function read(seq)
  local at = place(seq)
  local found = call('XRANGE', STREAM, at, at)[1]
  local record = found and found[2][2] or call('HGET', LATE, member(seq))
  return record and entry(seq, record)
end

-- The entries with what has changed. Those that are `fresh`, beyond the cursor, are as they were posted.
local function up_to_date(entries)
  local ids, others = {}, {}
  for n = 1, #entries do
    local e = entries[n]
    if not e.fresh then ids[#ids + 1], others[#others + 1] = e.id, e end
  end
  local raws = all('HMGET', IDS, ids)
  for n = 1, #raws do changed(others[n], raws[n]) end
  return entries
end

-- A ttl of 0 stands for the one in the record.
local function replies(entries)
  local found = {}
  for n, e in ipairs(up_to_date(entries)) do found[n] = {e.record, e.ttl, e.count, holder(e)} end
  return found
end

-- Forget claims that are over, up to `room`; return a time until which none is left.
-- A claim goes before its messages come back: nobody whose clock is behind can renew it then.
local function forget(room)
  local ended = call('ZRANGEBYSCORE', LEASES, '-inf', ARGV[2], 'WITHSCORES', 'LIMIT', 0, room)
  local ids = {}
  for n = 1, #ended, 2 do ids[#ids + 1] = ended[n] end
  all('HDEL', CLAIMS, ids)
  all('ZREM', LEASES, ids)
  return #ids < room and NOW or tonumber(ended[#ended]) - 1
end

-- Let messages come back whose delay or claim is over, up to `room` of each.
local function settle(room)
  local over = call('ZRANGEBYSCORE', DUE, '-inf', ARGV[2], 'LIMIT', 0, room)
  local ended = call('ZRANGEBYSCORE', HELD, '-inf', text(forget(room)), 'LIMIT', 0, room)
  for n, some in ipairs({over, ended}) do
    local args = {}
    for _, each in ipairs(some) do
      args[#args + 1] = text(number(each))
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

-- Remove messages by their ids and, in the same order, their members.
local function remove(ids, members)
  local places = {}
  for n = 1, #members do places[n] = place(number(members[n])) end
  all('HDEL', IDS, ids)
  all('ZREM', ENDS, members)
  if total('ZREM', HELD, members) < #members then all('ZREM', READY, members) end
  if total('XDEL', STREAM, places) < #places then
    for _, key in ipairs({DUE, LATER, CAME}) do all('ZREM', key, members) end
    all('HDEL', LATE, members)
  end
end

local function remove_each(entries)
  local ids, members = {}, {}
  for n = 1, #entries do ids[n], members[n] = entries[n].id, entries[n].member end
  remove(ids, members)
end
