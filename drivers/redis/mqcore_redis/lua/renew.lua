-- ARGV: claim id, now, end, ttl, grace. Returns whether the claim lives.
local claim = live(ARGV[3])
if not claim then return 0 end
local held, members = holding(claim), {}
for n, e in ipairs(held) do members[n] = e.member end
for n, life in ipairs(all('ZMSCORE', ENDS, members)) do held[n].life = tonumber(life) end
claim.renewed, claim.ends = ARGV[4], tonumber(ARGV[5])
claim.ttl, claim.grace = tonumber(ARGV[6]), tonumber(ARGV[7])
hold(claim, held, 0)
return 1
