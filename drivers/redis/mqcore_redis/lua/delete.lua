-- ARGV: all or nothing, then of each handle: id, force, the number of claim ids, the claim ids.
-- Returns for each handle 0, or what speaks against it: 1 it is claimed, 2 no claim lives, 3 and
-- the place of a claim that lives and does not hold it.
local ids, places, count = {}, {}, 0
local at, last = 4, #ARGV
while at < last do
  count = count + 1
  ids[count], places[count] = ARGV[at], at
  at = at + 3 + ARGV[at + 2]
end

local claims = {}
local function lives(id)
  if claims[id] == nil then claims[id] = live(id) ~= nil end
  return claims[id]
end

-- What speaks against the handle that begins at this argument.
local function refusal(at, raw)
  if ARGV[at + 1] == '1' then return 0 end
  local holding_it = holder(changed({lease = 0, claim = ''}, raw))
  local first, final = at + 3, at + 2 + ARGV[at + 2]
  if final < first then return holding_it ~= '' and 1 or 0 end
  local living
  for n = final, first, -1 do
    if ARGV[n] == holding_it then return 0 end
    if lives(ARGV[n]) then living = n end
  end
  return living and 3 + living - first or 2
end

local known = all('HMGET', IDS, ids)
local members = {}
for n = 1, count do members[n] = known[n] and known[n]:sub(1, 6) or '' end
local ends = all('ZMSCORE', ENDS, members)
local results, refused = {}, false
local doomed, theirs, going = {}, {}, 0
for n = 1, count do
  results[n] = 0
  if known[n] and ends[n] and tonumber(ends[n]) > NOW then
    results[n] = refusal(places[n], known[n])
    if results[n] == 0 then
      going = going + 1
      doomed[going], theirs[going] = ids[n], members[n]
    else
      refused = true
    end
  end
end
if going > 0 and not (refused and ARGV[3] == '1') then remove(doomed, theirs) end
return results
