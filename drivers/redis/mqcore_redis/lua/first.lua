-- ARGV: 1 for the oldest message, -1 for the newest.
local step = tonumber(ARGV[3])
return replies(walk(EVERYTHING, step > 0 and 0 or END, 1, step))
