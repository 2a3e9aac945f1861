-- The loads that wrk sends; wrk.py names one in MQ_KIND. Lua state is per thread, and there is one.
local ffi = require("ffi")
local headers = {
  ["Client-ID"] = "3381af92-2b9e-11e3-b191-71861300734c",
  ["X-Project-ID"] = "mqcore-bench",
  ["Content-Type"] = "application/json",
}
local one = '{"body":"' .. string.rep("x", 1000) .. '","ttl":3600}'
local queue = "/v2/queues/" .. os.getenv("MQ_QUEUE")
local queues = tonumber(os.getenv("MQ_QUEUES"))
local kind = os.getenv("MQ_KIND")
local rate = tonumber(os.getenv("MQ_RATE"))
local claimed = {}   -- texts of ten ids, claimed and to be deleted
local unclaimed = 0  -- posts of ten that nobody has asked for yet ("through")
-- Globals, so that done() can read them from the thread. A delete and a claim that found nothing
-- both answer 204; more of those than deletes means that the queue ran dry.
moved, deletes, no_content = 0, 0, 0

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

local function send_post(body) return wrk.format("POST", path("/messages"), headers, body) end
local function send_list() return wrk.format("GET", path("/messages?echo=true"), headers) end
local function send_stats() return wrk.format("GET", path("/stats"), headers) end
local function send_claim()
  return wrk.format("POST", queue .. "/claims?limit=10", headers, '{"ttl":300,"grace":60}')
end

local function send_delete()
  local batch = table.remove(claimed)
  deletes, moved = deletes + 1, moved + batch.count
  return wrk.format("DELETE", queue .. "/messages?ids=" .. batch.ids, headers)
end

local function claim_or_delete()
  if #claimed > 0 then return send_delete() end
  return send_claim()
end

local operations = {
  empty = function() return wrk.format("GET", "/", headers) end,
  ping = function() return wrk.format("GET", "/v2/ping", headers) end,
  post_1 = function() return send_post(post_1) end,
  post_10 = function() return send_post(post_10) end,
  list_10 = send_list,
  claim_delete = claim_or_delete,
  mixed = function()
    local dice = math.random(100)
    if dice <= 60 then return send_post(post_1) end
    if dice <= 80 then return claim_or_delete() end
    if dice <= 95 then return send_list() end
    return send_stats()
  end,
  -- Every message is posted, claimed and deleted, so that the store stays as it is.
  through = function()
    if #claimed > 0 then return send_delete() end
    if unclaimed > 0 then
      unclaimed = unclaimed - 1
      return send_claim()
    end
    return send_post(post_10)
  end,
}

request = operations[kind]

local thread_of_all
function setup(thread) thread_of_all = thread end
function init() math.randomseed(os.time()) end

local ID = '{"id":"'  -- how a message begins

-- Without patterns, which look at every byte of the bodies, a hundred times as long.
local function ids_in(body)
  local ids, position = {}, 1
  while true do
    local _, quote = body:find(ID, position, true)
    if not quote then return ids end
    position = body:find('"', quote + 1, true)
    ids[#ids + 1] = body:sub(quote + 1, position - 1)
  end
end

-- Reading answers costs wrk time, so only the loads that need them do it.
if kind == "claim_delete" or kind == "mixed" or kind == "through" then
  function response(status, _, body)
    if status == 204 then no_content = no_content + 1 end
    if status ~= 201 then return end
    local ids = ids_in(body)
    if #ids > 0 then
      claimed[#claimed + 1] = {ids = table.concat(ids, ","), count = #ids}
    else
      unclaimed = unclaimed + 1
    end
  end
end

-- wrk sends as fast as it can. With MQ_RATE every request has its moment in a plan, whichever
-- connection sends it; after a pause of the server, those that are late go at once.
if rate then
  ffi.cdef[[
    typedef struct { long seconds; long nanoseconds; } mq_time;
    int clock_gettime(int, mq_time *);
  ]]
  local monotonic = jit.os == "OSX" and 6 or 1
  local time = ffi.new("mq_time")
  local due
  local function milliseconds()
    ffi.C.clock_gettime(monotonic, time)
    return tonumber(time.seconds) * 1000 + tonumber(time.nanoseconds) / 1e6
  end
  function delay()
    local now = milliseconds()
    due = (due or now) + 1000 / rate
    -- wrk waits whole milliseconds; a random part of one keeps the mean right.
    return math.max(0, math.floor(due - now + math.random()))
  end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %.3f %.3f %d %d %d %d\n", summary.requests,
    summary.duration, latency:percentile(50) / 1000, latency:percentile(99) / 1000, e.status,
    e.connect + e.read + e.write + e.timeout, thread_of_all:get("moved"),
    math.max(0, thread_of_all:get("no_content") - thread_of_all:get("deletes"))))
end
