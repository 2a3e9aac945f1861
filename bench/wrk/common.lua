-- Headers that every request needs, and the operations; bench/server.py names one.
local headers = {
  ["Client-ID"] = "3381af92-2b9e-11e3-b191-71861300734c",
  ["X-Project-ID"] = "bench",
  ["Content-Type"] = "application/json",
}
local one = '{"body":"' .. string.rep("x", 1000) .. '","ttl":3600}'
local queue = "/v2/queues/" .. os.getenv("MQ_QUEUE")
local queues = tonumber(os.getenv("MQ_QUEUES") or "1")
local kind = os.getenv("MQ_KIND")
local claimed = {}

local function post(n)
  local messages = {}
  for i = 1, n do messages[i] = one end
  return '{"messages":[' .. table.concat(messages, ",") .. "]}"
end
local post_1, post_10 = post(1), post(10)

local function path(rest)
  if queues == 1 then return queue .. rest end
  return queue .. "-" .. math.random(queues) .. rest
end

local function claim_or_delete()
  local ids = table.remove(claimed)
  if ids then return wrk.format("DELETE", queue .. "/messages?ids=" .. ids, headers) end
  return wrk.format("POST", queue .. "/claims?limit=10", headers, '{"ttl":300,"grace":60}')
end

local operations = {
  empty = function() return wrk.format("GET", "/", headers) end,
  ping = function() return wrk.format("GET", "/v2/ping", headers) end,
  post_1 = function() return wrk.format("POST", path("/messages"), headers, post_1) end,
  post_10 = function() return wrk.format("POST", path("/messages"), headers, post_10) end,
  list_10 = function() return wrk.format("GET", path("/messages?echo=true"), headers) end,
  claim_delete = claim_or_delete,
}

function init() math.randomseed(os.time()) end

request = operations[kind]

if kind == "claim_delete" then
  function response(status, _, body)
    if status ~= 201 then return end
    local ids = {}
    for id in body:gmatch('/messages/(%x+)%?claim_id') do ids[#ids + 1] = id end
    if #ids > 0 then claimed[#claimed + 1] = table.concat(ids, ",") end
  end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %.3f %.3f %.3f\n", summary.requests, summary.duration,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    e.connect + e.read + e.write + e.status + e.timeout))
end
