-- Claims. A claim is its end, ttl, grace, when it was last renewed, and the numbers it was made on.
local function live(id)
  local raw = call('HGET', CLAIMS, id)
  if not raw then return end
  local claim = cmsgpack.unpack(raw)
  if claim[1] > NOW then
    return {id = id, ends = claim[1], ttl = claim[2], grace = claim[3], renewed = claim[4], seqs = claim[5]}
  end
end

-- The messages that the claim still holds.
local function holding(claim)
  local members, found, held = {}, {}, {}
  for at = 1, #claim.seqs, 6 do members[#members + 1] = claim.seqs:sub(at, at + 5) end
  for n, score in ipairs(all('ZMSCORE', HELD, members)) do
    if score and tonumber(score) > NOW then found[#found + 1] = read(number(members[n])) end
  end
  for _, e in ipairs(up_to_date(found)) do
    if e.claim == claim.id then held[#held + 1] = e end
  end
  return held
end

local function claim_record(claim, members)
  return cmsgpack.pack({claim.ends, claim.ttl, claim.grace, claim.renewed, table.concat(members)})
end

-- Put the messages, each with the end of its `life`, under the claim; those that
-- would die first live longer.
local function hold(claim, entries, more)
  local members, held, ids, ends = {}, {}, {}, {}
  local life, over = claim.ends + claim.grace, written[claim.ends]
  for n = 1, #entries do
    local e = entries[n]
    members[n] = e.member
    if e.life < claim.ends then
      e.ttl = claim.ttl + claim.grace
      ends[#ends + 1], ends[#ends + 2] = written[life], members[n]
      widen(e.seq, e.seq, life)
    end
    e.count, e.lease, e.claim = e.count + more, claim.ends, claim.id
    held[2 * n - 1], held[2 * n] = over, members[n]
    ids[2 * n - 1], ids[2 * n] = e.id, packed(e)
  end
  all('ZADD', ENDS, ends)
  all('ZADD', HELD, held)
  all('HSET', IDS, ids)
  call('HSET', CLAIMS, claim.id, claim_record(claim, members))
  call('ZADD', LEASES, over, claim.id)
  call('ZADD', AGENDA, 'LT', over, STEM)
end

-- The claim, and of each message its record, ttl and count, one after the other.
local function show(claim, entries)
  local shown = {text(claim.ttl), text(claim.grace), claim.renewed}
  for n = 1, #entries do
    local e = entries[n]
    shown[3 * n + 1], shown[3 * n + 2], shown[3 * n + 3] = e.record, e.ttl, e.count
  end
  return shown
end
