-- KEYS the queue, see queue.lua
-- ARGV pool, entry, consumer, fence
-- Result: 1 if the lease runs a full time again, 0 if it is lost.
local pool, entry, consumer, fence = arg(), arg(), arg(), arg()
if not ours(pool, entry, consumer, fence) then return 0 end
redis.call('XCLAIM', stream(pool), 'w', consumer, 0, entry, 'RETRYCOUNT', fence, 'JUSTID')
return 1
