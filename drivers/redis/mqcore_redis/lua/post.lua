-- ARGV: '=' and the wanted version or '', then of each message: end, due or '', record. Returns 1, 0 for a
-- missing queue or -1 for another version.
local version = call('HGET', QUEUE, 'version')
if not version then return 0 end
if ARGV[3] ~= '' and ARGV[3] ~= '=' .. version then return -1 end
local new = {}
for at = 4, #ARGV, 3 do
  local record = ARGV[at + 2]
  new[#new + 1] = {
    id = id_of(record), ends = tonumber(ARGV[at]), due = tonumber(ARGV[at + 1]), record = record,
  }
end
append(unknown(new))
return 1
