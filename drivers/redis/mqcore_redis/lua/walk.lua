-- Walking live messages in order. A source is a zset by number, or the stream from a number on.
local FRESH = tonumber(call('HGET', QUEUE, 'cursor') or 0)

-- Up to `count` messages after a number, from all sources, in order; those that live or not.
local function chunk(sources, after, count, step)
  local found, size, filled = {}, 0, 0
  for _, source in ipairs(sources) do
    local rows
    if source.from then
      local from = step > 0 and math.max(after, source.from) or after
      if step > 0 then
        rows = call('XRANGE', STREAM, '(' .. place(from), '+', 'COUNT', count)
      else
        rows = call('XREVRANGE', STREAM, '(' .. place(from), '-', 'COUNT', count)
      end
      for n = 1, #rows do
        local at, fields = unpack(rows[n])
        found[size + n] = entry(tonumber(at:sub(3)), fields[2], source.fresh)
      end
    else
      local command = step > 0 and 'ZRANGEBYSCORE' or 'ZREVRANGEBYSCORE'
      local last = step > 0 and '+inf' or '-inf'
      rows = call(command, source.zset, '(' .. text(after), last, 'LIMIT', 0, count)
      for n = 1, #rows do found[size + n] = {seq = number(rows[n]), member = rows[n]} end
    end
    if #rows > 0 then size, filled = size + #rows, filled + 1 end
  end
  if filled > 1 then
    table.sort(found, function(a, b) return (b.seq - a.seq) * step > 0 end)
  end
  for n = size, count + 1, -1 do found[n] = nil end
  return found
end

-- Messages that one script looks at before others get their turn, while it leaves some out.
local MOST_LOOKED_AT = 1000

-- The next `wanted` live messages after a number; those that `hidden` posted are left out. When
-- these are many, it returns what it has so far and the number after which to go on.
local function walk(sources, after, wanted, step, hidden)
  local taken, looked_at = {}, 0
  while #taken < wanted do
    if hidden and looked_at >= MOST_LOOKED_AT then return taken, after end
    local found = chunk(sources, after, math.max(wanted - #taken, 10), step)
    if #found == 0 then break end
    looked_at = looked_at + #found
    local members, dead = {}, false
    for n = 1, #found do members[n] = found[n].member end
    local ends = all('ZMSCORE', ENDS, members)
    for n = 1, #ends do
      local each = found[n]
      after = each.seq
      local life = tonumber(ends[n] or 0)
      dead = life <= NOW
      if not dead then
        each = each.id and each or read(each.seq)
        each.life = life
        if not hidden or client_of(each.record) ~= hidden then taken[#taken + 1] = each end
        if #taken == wanted then return taken end
      end
    end
    if dead then
      local onward = promising(after + step, step)
      if not onward then break end
      after = onward - step
    end
  end
  return taken
end

local CLAIMABLE = {{zset = READY}, {from = FRESH, fresh = true}}
local EVERYTHING = {{from = 0}, {zset = LATER}, {zset = CAME}}
local END = 2 ^ 47

-- Say that these were taken from among the claimable ones. ZREM comes first, and even for fresh
-- ones: a server that is out of memory lets a script go on after it.
local function take(entries)
  local members, last = {entries[1].member}, FRESH
  for n = 1, #entries do
    if entries[n].fresh then
      last = entries[n].seq
    else
      members[#members + 1] = entries[n].member
    end
  end
  all('ZREM', READY, members)
  if last > FRESH then
    FRESH = last
    CLAIMABLE[2].from = last
    call('HSET', QUEUE, 'cursor', text(last))
  end
end
