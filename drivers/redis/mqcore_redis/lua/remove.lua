-- ARGV: ids of messages, which go whoever holds them, and expired or not.
local ids, gone, members = {}, {}, {}
for n = 3, #ARGV do ids[n - 2] = ARGV[n] end
for n, raw in ipairs(all('HMGET', IDS, ids)) do
  if raw then
    gone[#gone + 1] = ids[n]
    members[#members + 1] = raw:sub(1, 6)
  end
end
if #gone > 0 then remove(gone, members) end
