-- ARGV: all or nothing, then of each handle: id, force, the number of claim ids, the claim ids.
-- Returns for each handle 0, or what speaks against it: 1 it is claimed, 2 no claim lives, 3 and
-- the place of a claim that lives and does not hold it.
local handles, ids = {}, {}
local at = 4
while at <= #ARGV do
  local rights = tonumber(ARGV[at + 2])
  handles[#handles + 1] = {id = ARGV[at], force = ARGV[at + 1] == '1', first = at + 3, last = at + 2 + rights}
  ids[#ids + 1] = ARGV[at]
  at = at + 3 + rights
end

local claims = {}
local function lives(id)
  if claims[id] == nil then claims[id] = live(id) ~= nil end
  return claims[id]
end

local function refusal(handle, s)
  local holding_it = holder(s)
  if handle.force then return 0 end
  if handle.last < handle.first then return holding_it ~= '' and 1 or 0 end
  local living
  for n = handle.last, handle.first, -1 do
    if ARGV[n] == holding_it then return 0 end
    if lives(ARGV[n]) then living = n end
  end
  return living and 3 + living - handle.first or 2
end

local results, doomed, refused, members = {}, {}, false, {}
local known = all('HMGET', IDS, ids)
for n, raw in ipairs(known) do members[n] = raw and raw:sub(1, 6) or '' end
local ends = all('ZMSCORE', ENDS, members)
for n, handle in ipairs(handles) do
  results[n] = 0
  if ends[n] and tonumber(ends[n]) > NOW then
    local s = state(known[n])
    results[n] = refusal(handle, s)
    if results[n] == 0 then
      doomed[#doomed + 1] = {seq = s.seq, id = handle.id}
    else
      refused = refused or results[n] ~= 0
    end
  end
end
if #doomed > 0 and not (refused and ARGV[3] == '1') then remove(doomed) end
return results
