-- Records that text left the stream: to a part in the blob store, or for good.
-- KEYS  1 meta (hash)  2 text (stream)  3 index of the run (hash)
-- ARGV  1 epoch  2 live: the stream begins here now  3 head, 4 tail: what lies between is left out
--       5 field and 6 value of a new part, or ''  7 field of a part that is left out now, or ''
-- result: 1, or 0 if somebody else writes this log now
local m = redis.call('HMGET', KEYS[1], 'epoch', 'head', 'tail')
if m[1] ~= ARGV[1] then
  return 0
end
local before = tonumber(m[3] or 0) - tonumber(m[2] or 0)
local after = tonumber(ARGV[4]) - tonumber(ARGV[3])
redis.call('HSET', KEYS[1], 'live', ARGV[2], 'head', ARGV[3], 'tail', ARGV[4])
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[5], ARGV[6])
end
if ARGV[7] ~= '' then
  redis.call('HDEL', KEYS[1], ARGV[7])
end
redis.call('XTRIM', KEYS[2], 'MINID', ARGV[2] .. '-0')
if after ~= before then
  redis.call('HINCRBY', KEYS[3], 'kept', before - after)
end
return 1
