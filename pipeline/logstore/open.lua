-- Makes the caller the only writer of a log.
-- KEYS  1 meta (hash)  2 index of the run (hash)
-- ARGV  1 field of this log in the index  2 milliseconds to keep  3 "1": only if there is such a log
-- result: the epoch of the new writer; 0: there is no such log
if ARGV[3] == '1' and redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
local epoch = redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('HSET', KEYS[1], 'batch', 0)
redis.call('HDEL', KEYS[1], 'ended')
redis.call('HSETNX', KEYS[1], 'in', 0)
redis.call('HSETNX', KEYS[1], 'out', 0)
redis.call('HSETNX', KEYS[1], 'live', 0)
redis.call('HSET', KEYS[2], ARGV[1], 1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return epoch
