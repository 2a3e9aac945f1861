-- ARGV: '=' and an id, or '' and a subscriber.
if ARGV[3] ~= '' then return live(ARGV[3]:sub(2)) end
local id = call('HGET', SUBSCRIBERS, ARGV[4])
return id and live(id)
