-- ARGV: the wanted version, then of each message: end, due or '', record. Returns what `as_wanted` does.
local found = as_wanted()
if found ~= 1 then return found end
local new = {}
for at = 4, #ARGV, 3 do
  local record = ARGV[at + 2]
  new[#new + 1] = {
    id = id_of(record), ends = tonumber(ARGV[at]), due = tonumber(ARGV[at + 1]), record = record,
  }
end
append(unknown(new))
return 1
