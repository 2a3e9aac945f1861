-- ARGV: ids, each once. Returns the messages that live, in that order.
local ids, members, seqs, found = {}, {}, {}, {}
for n = 3, #ARGV do ids[n - 2] = ARGV[n] end
for _, raw in ipairs(all('HMGET', IDS, ids)) do
  if raw then
    members[#members + 1] = raw:sub(1, 6)
    seqs[#seqs + 1] = number(raw)
  end
end
for n, score in ipairs(all('ZMSCORE', ENDS, members)) do
  if score and tonumber(score) > NOW then found[#found + 1] = read(seqs[n]) end
end
return replies(found)
