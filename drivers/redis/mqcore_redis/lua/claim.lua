-- ARGV: the wanted version, now, then of each request: id, limit, end, ttl, grace, and of its dead letter
-- the name or '', the most claims, the new ttl or '', the new end or ''; KEYS from 15 on are the queues of
-- the dead letters, 14 for each name, in the order in which the names appear.
-- Returns what `as_wanted` does unless that is 1, and else for each request the claim, 0 for none, or 1 when
-- its dead-letter queue is missing; and last, how many messages were moved.
local MOST_MOVED = 1000
local moved_all = 0

local function in_queue(keys, stem, job)
  local here = {AGENDA, QUEUE, STREAM, IDS, ENDS, RUNS, READY, HELD, DUE, LATER, CAME, LATE, CLAIMS, LEASES}
  local home = STEM
  STEM = stem
  AGENDA, QUEUE, STREAM, IDS, ENDS, RUNS, READY, HELD, DUE, LATER, CAME, LATE, CLAIMS, LEASES = unpack(keys)
  local result = job()
  STEM = home
  AGENDA, QUEUE, STREAM, IDS, ENDS, RUNS, READY, HELD, DUE, LATER, CAME, LATE, CLAIMS, LEASES = unpack(here)
  return result
end

local requests, wanted, letters = {}, 0, {}
for at = 5, #ARGV, 9 do
  local r = {
    id = ARGV[at], limit = tonumber(ARGV[at + 1]), ends = tonumber(ARGV[at + 2]),
    ttl = tonumber(ARGV[at + 3]), grace = tonumber(ARGV[at + 4]), renewed = ARGV[4],
    dead = ARGV[at + 5], most = tonumber(ARGV[at + 6]), dead_ttl = ARGV[at + 7],
    dead_end = tonumber(ARGV[at + 8]),
  }
  if r.dead ~= '' and not letters[r.dead] then
    local first = 15
    for _ in pairs(letters) do first = first + 14 end
    letters[r.dead] = {unpack(KEYS, first, first + 13)}
  end
  requests[#requests + 1] = r
  wanted = wanted + r.limit
end
local found = as_wanted()
if found ~= 1 then return found end
settle(math.max(STEP, wanted))

-- What the request gets, and what it is to move instead.
local function choose(r)
  local chosen, doomed, after = {}, {}, 0
  repeat
    local lacking = r.limit - #chosen
    local found = up_to_date(walk(CLAIMABLE, after, lacking, 1))
    for n = 1, #found do
      local e = found[n]
      after = e.seq
      local spent = r.dead ~= '' and e.count >= r.most
      local list = spent and doomed or chosen
      list[#list + 1] = e
    end
  until #found < lacking or #chosen == r.limit or #doomed >= MOST_MOVED
  return chosen, doomed
end

local function bury(r, doomed)
  local moved, members = {}, {}
  for n, e in ipairs(doomed) do members[n] = e.member end
  local lives = all('ZMSCORE', ENDS, members)
  for n, e in ipairs(doomed) do
    local ttl = tonumber(r.dead_ttl) or e.ttl
    moved[n] = {
      id = e.id, record = ttl > 0 and with_ttl(e.record, ttl) or e.record,
      ends = r.dead_end or tonumber(lives[n]),
    }
  end
  local missing = in_queue(letters[r.dead], r.dead, function()
    if call('EXISTS', QUEUE) == 0 then return true end
    append(unknown(moved))
  end)
  if missing then return false end
  remove_each(doomed)
  moved_all = moved_all + #doomed
  return true
end

local function claim_any(r)
  local chosen, doomed = choose(r)
  if #doomed > 0 and not bury(r, doomed) then return 1 end
  if #chosen == 0 then return 0 end
  take(chosen)
  hold(r, chosen, 1)
  return show(r, chosen)
end

local function serve(r)
  local known = live(r.id)
  if known then return show(known, holding(known)) end
  return claim_fresh(r) or claim_any(r)
end

local results, served = {}, {}
for n, r in ipairs(requests) do
  served[r.id] = served[r.id] or serve(r)
  results[n] = served[r.id]
end
take_fresh()
write_claims()
results[#results + 1] = moved_all
return results
