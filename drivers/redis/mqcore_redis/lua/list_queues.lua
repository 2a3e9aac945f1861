-- ARGV: '-' or '(' and a name, limit, with metadata. Returns names, or names and metadata in turn.
local found = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2])
if ARGV[3] == '0' or #found == 0 then return found end
local both = {}
for n, metadata in ipairs(redis.call('HMGET', KEYS[2], unpack(found))) do
  both[2 * n - 1], both[2 * n] = found[n], metadata
end
return both
