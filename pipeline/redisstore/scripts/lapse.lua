-- Lets the leases of a consumer lapse at once, because its process has ended.
-- They are then handed out again like any others, with a higher fence. One that
-- was handed out many times may be what ends its processes, and takes its time.
--
-- KEYS streams
-- ARGV consumer, ms that its leases have been idle from now on, how often a
--      lease was handed out at most
-- Result: how many leases had not lapsed
local found = 0
for _, key in ipairs(KEYS) do
  for _, p in ipairs(redis.call('XPENDING', key, 'w', '-', '+', 1000, ARGV[1])) do
    if p[3] < tonumber(ARGV[2]) and p[4] <= tonumber(ARGV[3]) then
      redis.call('XCLAIM', key, 'w', ARGV[1], 0, p[1], 'IDLE', ARGV[2], 'RETRYCOUNT', p[4], 'JUSTID')
      found = found + 1
    end
  end
end
return found
