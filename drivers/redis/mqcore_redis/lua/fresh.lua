-- The quick way to claim: what nobody has claimed before is as it was posted, and the stream has it in order.
-- What a script takes so is written at its end, by `write_fresh`.
local held, ids, claims, leases, soonest = {}, {}, {}, {}, math.huge
local others = true

-- The claim as `show` gives it, or 0 for none. Nothing when it is to take the long way: other messages are
-- claimable, too, or one of these may be over before the claim is.
local function claim_fresh(claim)
  others = others and call('ZCARD', READY) > 0
  if others then return end
  local rows = call('XRANGE', STREAM, '(' .. place(FRESH), '+', 'COUNT', claim.limit)
  for n = 1, #rows do
    if own_end(rows[n][2][2]) < claim.ends then return end
  end
  if #rows == 0 then return 0 end
  local shown = {text(claim.ttl), text(claim.grace), claim.renewed}
  local over, state = written[claim.ends], struct.pack('>I4dd', 1, 0, claim.ends) .. claim.id
  local members, at = {}, #held
  for n = 1, #rows do
    local record = rows[n][2][2]
    FRESH = tonumber(rows[n][1]:sub(3))
    members[n] = member(FRESH)
    held[at + 1], held[at + 2] = over, members[n]
    ids[at + 1], ids[at + 2] = id_of(record), members[n] .. state
    shown[3 * n + 1], shown[3 * n + 2], shown[3 * n + 3] = record, 0, 1
    at = at + 2
  end
  CLAIMABLE[2].from = FRESH
  claims[#claims + 1], claims[#claims + 2] = claim.id, claim_record(claim, members)
  leases[#leases + 1], leases[#leases + 2] = over, claim.id
  soonest = math.min(soonest, claim.ends)
  return shown
end

local function write_fresh()
  if #held == 0 then return end
  -- ZREM comes first: a server that is out of memory lets a script go on after it.
  call('ZREM', READY, held[2])
  call('HSET', QUEUE, 'cursor', text(FRESH))
  all('ZADD', HELD, held)
  all('HSET', IDS, ids)
  all('HSET', CLAIMS, claims)
  all('ZADD', LEASES, leases)
  call('ZADD', AGENDA, 'LT', text(soonest), STEM)
end
