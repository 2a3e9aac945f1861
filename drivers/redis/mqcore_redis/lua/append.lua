-- Appending messages: things with `ends` and `due` (nil without a delay) beside what never changes.
local function append(new)
  if #new == 0 then return end
  local first = tonumber(call('HGET', QUEUE, 'last')) + 1
  local ids, ends, late = {}, {}, {}
  local soonest, latest = math.huge, 0
  for n, e in ipairs(new) do
    local seq = first + n - 1
    local packed_seq = member(seq)
    ids[2 * n - 1], ids[2 * n] = e.id, packed_seq
    ends[2 * n - 1], ends[2 * n] = written[e.ends], packed_seq
    soonest, latest = math.min(soonest, e.ends), math.max(latest, e.ends)
    if e.due then
      call('HSET', LATE, packed_seq, e.record)
      call('ZADD', DUE, written[e.due], packed_seq)
      call('ZADD', LATER, text(seq), packed_seq)
    else
      call('XADD', STREAM, place(seq), 'm', e.record)
    end
  end
  all('HSET', IDS, ids)
  all('ZADD', ENDS, ends)
  local last = first + #new - 1
  widen(first, last, latest)
  call('HSET', QUEUE, 'last', text(last))
  call('ZADD', AGENDA, 'LT', written[soonest], STEM)
end

-- Of messages to append, those whose ids the queue does not have; expired ones make way.
local function unknown(new)
  local ids, known, fresh = {}, {}, {}
  for n, e in ipairs(new) do ids[n] = e.id end
  local found = all('HMGET', IDS, ids)
  for n, e in ipairs(new) do
    local raw = found[n]
    if raw then
      local seq = number(raw)
      local score = call('ZSCORE', ENDS, member(seq))
      if not score or tonumber(score) <= NOW then
        remove({e.id}, {member(seq)})
        raw = false
      end
    end
    if not raw and not known[e.id] then
      known[e.id] = true
      fresh[#fresh + 1] = e
    end
  end
  return fresh
end
