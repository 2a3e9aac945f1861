-- ARGV: claim id. Returns whether the claim lived.
local claim = live(ARGV[3])
local ids, ready, members = {}, {}, {}
for n, e in ipairs(claim and holding(claim) or {}) do
  e.lease, e.claim = 0, ''
  members[n] = e.member
  ids[2 * n - 1], ids[2 * n] = e.id, packed(e)
  ready[2 * n - 1], ready[2 * n] = text(e.seq), members[n]
end
all('ZREM', HELD, members)
all('HSET', IDS, ids)
all('ZADD', READY, ready)
-- One that is over goes, too: nobody whose clock is behind can renew it then.
call('HDEL', CLAIMS, ARGV[3])
call('ZREM', LEASES, ARGV[3])
return claim and 1 or 0
