-- ARGV: posted_at, then of each message: id, end, ttl, due or '', client, checksum, body.
if call('EXISTS', QUEUE) == 0 then return 0 end
local new = {}
for at = 4, #ARGV, 7 do
  new[#new + 1] = {
    id = ARGV[at], ends = tonumber(ARGV[at + 1]), ttl = ARGV[at + 2], due = tonumber(ARGV[at + 3]),
    client = ARGV[at + 4], sum = ARGV[at + 5], body = ARGV[at + 6], posted = ARGV[3],
  }
end
append(unknown(new))
return 1
