-- KEYS the queue, see queue.lua
-- ARGV entry of the dead, then one job: id, pool, delay in ms, again, job
-- Result: 1 if it was brought back, 0 if it is not there any more.
if redis.call('XDEL', KEYS[5], arg()) == 0 then return 0 end
enqueue_rest()
return 1
