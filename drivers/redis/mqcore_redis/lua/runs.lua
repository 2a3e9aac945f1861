-- Which runs of messages may hold a live one.
-- Runs have six sizes, each sixteen of the smaller one. The zset has for each run a time that no
-- end of a life in it is after; a run that is not in it has none that lives. So whoever meets an
-- expired message asks for the next run worth a look, however many expired ones lie between.
local RUN, FAN, TOP = 64, 16, 5

-- Widen the runs from one number to another to a new end.
local function widen(first, last, ends_at)
  local size, args = RUN, {'GT'}
  for level = 0, TOP do
    for run = math.floor(first / size), math.floor(last / size) do
      args[#args + 1] = written[ends_at]
      args[#args + 1] = level .. ':' .. text(run)
    end
    size = size * FAN
  end
  for start = 2, #args, MOST do
    call('ZADD', RUNS, 'GT', unpack(args, start, math.min(start + MOST - 1, #args)))
  end
end

-- The first number, from `seq` on, whose run may hold a live message.
local function promising(seq, step)
  local level, run = 0, math.floor(seq / RUN)
  while level <= TOP do
    local block = math.floor(run / FAN) * FAN
    local edge = step > 0 and block + FAN - 1 or block
    if level == TOP then edge = run + step * FAN end
    local names, found = {}, nil
    for each = run, edge, step do names[#names + 1] = level .. ':' .. text(each) end
    if #names > 0 then
      for n, score in ipairs(call('ZMSCORE', RUNS, unpack(names))) do
        if score and tonumber(score) > NOW then
          found = run + (n - 1) * step
          break
        end
      end
    end
    if found and level == 0 then
      return step > 0 and math.max(seq, found * RUN) or math.min(seq, found * RUN + RUN - 1)
    elseif found then
      level, run = level - 1, step > 0 and found * FAN or found * FAN + FAN - 1
    else
      level, run = level + 1, math.floor(run / FAN) + step
    end
  end
end
