-- Leases what is ready, without waiting, and with a time to live also what
-- others let lapse.
--
-- KEYS streams of one pool, the one to serve first in front
-- ARGV consumer, limit, ttl in ms or 0
-- Result: flat list of index into KEYS, entry, fence, job
local consumer, limit, ttl = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local found = {}
local function add(i, entry, fence)
  local n = #found
  found[n + 1], found[n + 2], found[n + 3], found[n + 4] = i, entry[1], fence, entry[2][2]
  limit = limit - 1
end
if ttl ~= '0' then
  for i, key in ipairs(KEYS) do
    if limit <= 0 then break end
    for _, p in ipairs(redis.call('XPENDING', key, 'w', 'IDLE', ttl, '-', '+', limit)) do
      local claimed = redis.call('XCLAIM', key, 'w', consumer, ttl, p[1], 'RETRYCOUNT', p[4] + 1)[1]
      if claimed then add(i, claimed, p[4] + 1) end
    end
  end
end
for i, key in ipairs(KEYS) do
  if limit <= 0 then break end
  local read = redis.call('XREADGROUP', 'GROUP', 'w', consumer, 'COUNT', limit, 'STREAMS', key, '>')
  if read then
    for _, entry in ipairs(read[1][2]) do add(i, entry, 1) end
  end
end
return found
