-- What a key must be if it is there. Scripts cannot be undone, so whoever uses keys first looks.
local OF_QUEUE = {
  'zset', 'hash', 'stream', 'hash', 'zset', 'zset', 'zset', 'zset', 'zset', 'zset', 'zset', 'hash',
  'hash', 'zset', 'hash', 'hash', 'zset', 'zset', 'zset', 'hash', 'set', 'string',
}
local OF_SUBSCRIPTIONS = {'zset', 'hash', 'hash', 'zset', 'zset'}

-- The error to return when one of KEYS has data of somebody else.
local function foreign(kinds)
  for n, key in ipairs(KEYS) do
    local kind = redis.call('TYPE', key).ok
    if kind ~= 'none' and kind ~= kinds[n] then return redis.error_reply('WRONGTYPE ' .. key) end
  end
end
