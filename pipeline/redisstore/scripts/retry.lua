-- Puts a leased job back. A mark to run it again is served by that.
--
-- KEYS the queue, see queue.lua
-- ARGV pool, entry, consumer, fence, job id, delay in ms, job
-- Result: 1 if it was put back, 0 if the lease is lost.
local pool, entry, consumer, fence, id, delay, job = arg(), arg(), arg(), arg(), arg(), tonumber(arg()), arg()
if not ours(pool, entry, consumer, fence) then return 0 end
drop(pool, entry, id)
put(id, pool, delay > 0 and now() + delay or 0, job)
return 1
