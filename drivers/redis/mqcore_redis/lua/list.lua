-- ARGV: marker, limit, claimed too, delayed too, and the client to leave out if any. Returns the
-- marker of the page or '', the number after which to go on if the page is to be continued, or '',
-- and the messages.
local limit = tonumber(ARGV[4])
settle(math.max(STEP, limit))
local sources = CLAIMABLE
if ARGV[5] == '1' then
  sources = ARGV[6] == '1' and EVERYTHING or {{from = 0}, {zset = CAME}}
elseif ARGV[6] == '1' then
  sources = {{zset = READY}, {from = FRESH, fresh = true}, {zset = LATER}}
end
local found, rest = walk(sources, tonumber(ARGV[3]), limit, 1, ARGV[7])
local onward = #found > 0 and text(found[#found].seq) or ''
return {onward, rest and text(rest) or '', replies(found)}
