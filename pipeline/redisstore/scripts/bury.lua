-- KEYS the queue, see queue.lua
-- ARGV pool, entry, consumer, fence, job id, reason, job
-- Result: 1 if the job is among the dead now, 0 if the lease is lost.
local pool, entry, consumer, fence, id, reason, job = arg(), arg(), arg(), arg(), arg(), arg(), arg()
if not ours(pool, entry, consumer, fence) then return 0 end
redis.call('XADD', KEYS[5], '*', 'j', job, 'r', reason)
finish(pool, entry, id)
return 1
