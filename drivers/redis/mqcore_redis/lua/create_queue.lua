-- ARGV: stem, name, metadata, version, least number. Returns whether this call created it.
local refused = foreign(OF_QUEUE)
if refused then return refused end
local queue, names, metadata, queues, floor = KEYS[2], unpack(KEYS, 19, 22)
local stem, name, version = ARGV[1], ARGV[2], ARGV[4]
if redis.call('EXISTS', queue) == 1 then
  return redis.call('HGET', metadata, name):sub(1, #version) == version and 1 or 0
end
local least = math.max(tonumber(redis.call('GET', floor) or 0), tonumber(ARGV[5]))
redis.call('HSET', queue, 'last', string.format('%.0f', least), 'version', version)
redis.call('HSET', metadata, name, version .. ARGV[3])
redis.call('ZADD', names, 0, name)
redis.call('SADD', queues, stem)
return 1
