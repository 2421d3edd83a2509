-- Makes blocked jobs due now. A leased one is marked to run again; one that is not blocked any more is left alone.
--
-- KEYS the queue, see queue.lua
-- ARGV jobs: id, pool, delay in ms, again, job
-- Result: how many of them are or will be run
local n = 0
while next_arg < #ARGV do
  local id, pool, _, _, job = arg(), arg(), arg(), arg(), arg()
  local at = redis.call('HGET', KEYS[1], id)
  if at and redis.call('HEXISTS', KEYS[6], id) == 1 then
    n = n + 1
    redis.call('HSET', KEYS[6], id, job)
    if string.sub(at, 1, 1) == 'd' then
      redis.call('ZREM', KEYS[2], id)
      put(id, pool, 0, job)
    else
      enqueue(id, pool, 0, '1', job)
    end
  end
end
return n
