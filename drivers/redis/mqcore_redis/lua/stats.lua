-- Returns live, claimed, and of the oldest and newest message its id and the begin of
-- its record.
if call('EXISTS', QUEUE) == 0 then return false end
local counts = {call('ZCOUNT', ENDS, '(' .. text(NOW), '+inf'), call('ZCOUNT', HELD, '(' .. text(NOW), '+inf')}
for _, step in ipairs({1, -1}) do
  local e = walk(EVERYTHING, step > 0 and 0 or END, 1, step)[1]
  if e then
    counts[#counts + 1] = e.id
    counts[#counts + 1] = e.record:sub(1, 26)
  end
end
return counts
