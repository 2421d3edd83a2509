-- Puts a leased job back as one that is blocked. If it is marked to run again it does so when the mark says.
--
-- KEYS the queue, see queue.lua
-- ARGV pool, entry, consumer, fence, job id, delay in ms, job, then jobs to enqueue: id, pool, delay in ms, again, job
-- Result: 1 if it was put back, 0 if the lease is lost.
local pool, entry, consumer, fence, id, delay, job = arg(), arg(), arg(), arg(), arg(), tonumber(arg()), arg()
if not ours(pool, entry, consumer, fence) then return 0 end
local due = delay > 0 and now() + delay or 0
local at = drop(pool, entry, id)
local marked = at and string.match(at, '^[^\n]*\n(%d+)')
if marked then due = math.min(due, tonumber(marked)) end
put(id, pool, due, job)
redis.call('HSET', KEYS[6], id, job)
enqueue_rest()
return 1
