-- KEYS[1] audit  stream, entry id <number>-1
-- KEYS[2] mark of what is being added
-- ARGV[1] its number, ARGV[2] the entry, ARGV[3] how long the mark stays, in ms
-- Result: {1} added; {2} added before; {0, last entry or nothing}
if redis.call('EXISTS', KEYS[2]) == 1 then return {2} end
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local number = last and tonumber(string.match(last[1], '^%d+')) or 0
if number + 1 ~= tonumber(ARGV[1]) then return {0, last and last[2][2] or ''} end
redis.call('XADD', KEYS[1], ARGV[1] .. '-1', 'e', ARGV[2])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[3])
return {1}
