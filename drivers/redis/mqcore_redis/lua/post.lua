-- ARGV: of each message: end, due or '', record.
if call('EXISTS', QUEUE) == 0 then return 0 end
local new = {}
for at = 3, #ARGV, 3 do
  local record = ARGV[at + 2]
  new[#new + 1] = {
    id = id_of(record), ends = tonumber(ARGV[at]), due = tonumber(ARGV[at + 1]), record = record,
  }
end
append(unknown(new))
return 1
