-- ARGV: id, 1 or 0. Returns whether there is such a subscription.
local record = live(ARGV[3])
if not record then return 0 end
record[7] = ARGV[4]
call('HSET', SUBS, ARGV[3], cmsgpack.pack(record))
return 1
