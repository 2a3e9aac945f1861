-- ARGV: stem, name. KEYS: those of the queue, of its subscriptions, and these four.
local refused = foreign(OF_QUEUE)
if refused then return refused end
local names, metadata, queues, floor = unpack(KEYS, 19, 22)
local last = tonumber(redis.call('HGET', KEYS[2], 'last') or 0)
if last > tonumber(redis.call('GET', floor) or 0) then
  redis.call('SET', floor, string.format('%.0f', last))
end
redis.call('UNLINK', unpack(KEYS, 2, 18))
redis.call('ZREM', names, ARGV[2])
redis.call('HDEL', metadata, ARGV[2])
redis.call('SREM', queues, ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
