-- KEYS: all metadata, the queue. ARGV: name, metadata, new version, '=' and the wanted version or ''.
-- Returns 1, 0 for a missing queue or -1 for another version.
local found = redis.call('HGET', KEYS[1], ARGV[1])
if not found or redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
local version = found:sub(1, #ARGV[3])
if ARGV[4] ~= '' and '=' .. version ~= ARGV[4] and version ~= ARGV[3] then return -1 end
redis.call('HSET', KEYS[2], 'version', ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3] .. ARGV[2])
return 1
