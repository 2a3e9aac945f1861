-- ARGV: id, '=' and a subscriber or '', ttl or '', its end, options or '', now. Returns 1, 0 when there is no
-- such subscription, -1 when another one has the subscriber.
local id, subscriber, ttl, ends, options = unpack(ARGV, 3, 7)
local record = live(id)
if not record then return 0 end
subscriber = subscriber ~= '' and subscriber:sub(2) or record[2]
if subscriber ~= record[2] then
  if of(subscriber) then return -1 end
  call('HDEL', SUBSCRIBERS, record[2])
  record[2] = subscriber
end
if ttl ~= '' then record[3], record[6] = ttl, ARGV[8] end
if options ~= '' then record[4] = options end
save(record, ttl ~= '' and ends or call('ZSCORE', ENDS, id))
return 1
