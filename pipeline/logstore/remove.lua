-- Removes a log that has been archived.
-- KEYS  1 meta (hash)  2 text (stream)  3 index of the run (hash)
-- ARGV  1 epoch  2 field of this log in the index
-- result: 1, or 0 if somebody else writes this log now
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HDEL', KEYS[3], ARGV[2])
return 1
