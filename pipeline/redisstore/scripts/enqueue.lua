-- KEYS the queue, see queue.lua
-- ARGV jobs: id, pool, delay in ms, again, job
enqueue_rest()
return 1
