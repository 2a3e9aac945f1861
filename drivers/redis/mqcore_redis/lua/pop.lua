-- ARGV: limit. Returns the messages taken out.
local limit = tonumber(ARGV[3])
settle(math.max(STEP, limit))
local found = walk(CLAIMABLE, 0, limit, 1)
if #found == 0 then return {} end
local taken = replies(found)
take(found)
remove_each(found)
return taken
