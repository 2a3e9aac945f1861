-- Walking live messages in order. A source is a zset by number, or the stream from a number on.
local FRESH = tonumber(call('HGET', QUEUE, 'cursor') or 0)

-- Up to `count` messages after a number, from all sources, in order; those that live or not.
local function chunk(sources, after, count, step)
  local found = {}
  for _, source in ipairs(sources) do
    if source.from then
      local from = step > 0 and math.max(after, source.from) or after
      local rows
      if step > 0 then
        rows = call('XRANGE', STREAM, '(' .. place(from), '+', 'COUNT', count)
      else
        rows = call('XREVRANGE', STREAM, '(' .. place(from), '-', 'COUNT', count)
      end
      for _, row in ipairs(rows) do
        local e = entry(tonumber(row[1]:sub(3)), row[2])
        e.fresh = source.fresh
        found[#found + 1] = e
      end
    else
      local command = step > 0 and 'ZRANGEBYSCORE' or 'ZREVRANGEBYSCORE'
      local last = step > 0 and '+inf' or '-inf'
      local rows = call(command, source.zset, '(' .. text(after), last, 'LIMIT', 0, count)
      for _, each in ipairs(rows) do found[#found + 1] = {seq = number(each)} end
    end
  end
  if #sources > 1 then
    table.sort(found, function(a, b) return (b.seq - a.seq) * step > 0 end)
  end
  for n = #found, count + 1, -1 do found[n] = nil end
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
    for n, each in ipairs(found) do members[n] = member(each.seq) end
    for n, score in ipairs(all('ZMSCORE', ENDS, members)) do
      local each = found[n]
      after = each.seq
      local life = tonumber(score or 0)
      dead = life <= NOW
      if not dead then
        each = each.id and each or read(each.seq)
        each.life = life
        if not hidden or each.client ~= hidden then taken[#taken + 1] = each end
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
  local members, last = {}, FRESH
  for n, e in ipairs(entries) do
    members[n] = member(e.seq)
    if e.fresh then last = e.seq end
  end
  all('ZREM', READY, members)
  if last > FRESH then
    FRESH = last
    CLAIMABLE[2].from = last
    call('HSET', QUEUE, 'cursor', text(last))
  end
end
