-- KEYS: of each queue the zset of all ends and that of the claimed. Returns live and claimed.
local counts = {0, 0}
for n, key in ipairs(KEYS) do
  local which = 2 - n % 2
  counts[which] = counts[which] + redis.call('ZCOUNT', key, '(' .. ARGV[1], '+inf')
end
return counts
