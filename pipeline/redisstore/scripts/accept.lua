-- Enqueues a job unless one of the keys was seen.
--
-- KEYS[1..6] the queue, see queue.lua
-- KEYS[7..]  seen:<key>
-- ARGV ms to remember the keys, then one job: id, pool, delay in ms, again, job
-- Result: 1 if the job was accepted, 0 if a key was seen before.
local keep = arg()
for i = 7, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then return 0 end
end
for i = 7, #KEYS do
  redis.call('SET', KEYS[i], '', 'PX', keep)
end
enqueue_rest()
return 1
