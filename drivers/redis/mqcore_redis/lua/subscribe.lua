-- ARGV: end, then the record. Returns the subscription of the subscriber.
local refused = foreign(OF_SUBSCRIPTIONS)
if refused then return refused end
local record = {unpack(ARGV, 4, 10)}
local other = of(record[2])
if other then return other end
remove(record[1])
save(record, ARGV[3])
return record
