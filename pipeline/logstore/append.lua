-- Adds text to the end of a log and counts what it was made from, in one step.
-- The same batch twice has no further effect: a client may send it again.
-- KEYS  1 meta (hash)  2 text (stream)  3 index of the run (hash)
-- ARGV  1 epoch  2 batch, from 1  3 raw bytes taken so far  4 milliseconds to keep
--       5 "1" if the log ends here  6.. pieces of text
-- result: {1, text bytes so far, text bytes kept of the whole run}, or {0} if somebody else writes this log now
local m = redis.call('HMGET', KEYS[1], 'epoch', 'batch', 'out')
if m[1] ~= ARGV[1] then
  return {0}
end
if m[2] == ARGV[2] then
  return {1, tonumber(m[3]), tonumber(redis.call('HGET', KEYS[3], 'kept') or 0)}
end
-- An entry's id is the place of its first byte in the whole text.
local first = tonumber(m[3])
local out = first
for i = 6, #ARGV do
  redis.call('XADD', KEYS[2], string.format('%.0f-1', out), 't', ARGV[i])
  out = out + #ARGV[i]
end
redis.call('HSET', KEYS[1], 'batch', ARGV[2], 'in', ARGV[3], 'out', string.format('%.0f', out))
if ARGV[5] == '1' then
  redis.call('HSET', KEYS[1], 'ended', 1)
end
for i = 1, 3 do
  redis.call('PEXPIRE', KEYS[i], ARGV[4])
end
return {1, out, redis.call('HINCRBY', KEYS[3], 'kept', out - first)}
