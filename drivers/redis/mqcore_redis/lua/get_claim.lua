-- ARGV: claim id. Returns the claim if it lives.
local claim = live(ARGV[3])
return claim and show(claim, holding(claim))
