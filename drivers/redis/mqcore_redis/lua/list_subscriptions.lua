-- ARGV: '-' or '(' and an id, limit.
local after, limit, shown = ARGV[3], tonumber(ARGV[4]), {}
while #shown < limit do
  local ids = call('ZRANGEBYLEX', ORDER, after, '+', 'LIMIT', 0, math.min(limit - #shown, 1000))
  for _, id in ipairs(ids) do
    local found = live(id)
    if found then shown[#shown + 1] = found end
    after = '(' .. id
  end
  if #ids == 0 then break end
end
return shown
