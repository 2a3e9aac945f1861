-- The quick way to claim: what nobody has claimed before is as it was posted, and the stream has it in order.
-- `take_fresh` and `write_claims` write what a script took so.
local begin, quick = FRESH, true

-- The claim as `show` gives it, or 0 for none. Nothing when it and all that follow are to take the long way:
-- other messages are claimable, too, or one of these may be over before the claim is.
local function claim_fresh(claim)
  quick = quick and (FRESH > begin or call('ZCARD', READY) == 0)
  if not quick then return end
  local rows = call('XRANGE', STREAM, '(' .. place(FRESH), '+', 'COUNT', claim.limit)
  for n = 1, #rows do
    quick = quick and own_end(rows[n][2][2]) >= claim.ends
  end
  if not quick then return end
  if #rows == 0 then return 0 end
  local shown, members = shown_claim(claim), {}
  local held, ids, at = noted.held, noted.ids, #noted.held
  local over = written[claim.ends]
  local state = packed_state({count = 1, ttl = 0, lease = claim.ends, claim = claim.id})
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
  note_claim(claim, members)
  return shown
end

-- ZREM comes first, as in `take`.
local function take_fresh()
  if FRESH == begin then return end
  call('ZREM', READY, member(FRESH))
  call('HSET', QUEUE, 'cursor', text(FRESH))
end
