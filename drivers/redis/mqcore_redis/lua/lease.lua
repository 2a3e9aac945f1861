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

-- Claims and what they hold, until `write_claims`: several are written in few calls.
local noted

local function forget_noted()
  noted = {held = {}, ids = {}, ends = {}, claims = {}, leases = {}, soonest = math.huge}
end
forget_noted()

local function note_claim(claim, members)
  local claims, leases, at = noted.claims, noted.leases, #noted.claims
  local record = {claim.ends, claim.ttl, claim.grace, claim.renewed, table.concat(members)}
  claims[at + 1], claims[at + 2] = claim.id, cmsgpack.pack(record)
  leases[at + 1], leases[at + 2] = written[claim.ends], claim.id
  noted.soonest = math.min(noted.soonest, claim.ends)
end

local function write_claims()
  if #noted.claims == 0 then return end
  all('ZADD', ENDS, noted.ends)
  all('ZADD', HELD, noted.held)
  all('HSET', IDS, noted.ids)
  all('HSET', CLAIMS, noted.claims)
  all('ZADD', LEASES, noted.leases)
  call('ZADD', AGENDA, 'LT', written[noted.soonest], STEM)
  forget_noted()
end

-- Put the messages, each with the end of its `life`, under the claim; those that
-- would die first live longer.
local function hold(claim, entries, more)
  local members, held, ids, ends = {}, noted.held, noted.ids, noted.ends
  local life, over = claim.ends + claim.grace, written[claim.ends]
  for n = 1, #entries do
    local e = entries[n]
    members[n] = e.member
    if e.life < claim.ends then
      e.ttl = claim.ttl + claim.grace
      ends[#ends + 1], ends[#ends + 2] = written[life], e.member
      widen(e.seq, e.seq, life)
    end
    e.count, e.lease, e.claim = e.count + more, claim.ends, claim.id
    held[#held + 1], held[#held + 2] = over, e.member
    ids[#ids + 1], ids[#ids + 2] = e.id, packed(e)
  end
  note_claim(claim, members)
  write_claims()
end

-- The claim, and of each message its record, ttl and count, one after the other.
local function shown_claim(claim)
  return {text(claim.ttl), text(claim.grace), claim.renewed}
end

local function show(claim, entries)
  local shown = shown_claim(claim)
  for n = 1, #entries do
    local e = entries[n]
    shown[3 * n + 1], shown[3 * n + 2], shown[3 * n + 3] = e.record, e.ttl, e.count
  end
  return shown
end
