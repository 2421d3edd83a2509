-- Removes a consumer, unless something is pending for it: that would be lost.
--
-- KEYS[1] stream
-- ARGV consumer
-- Result: 1 if it was removed
if #redis.call('XPENDING', KEYS[1], 'w', '-', '+', 1, ARGV[1]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], 'w', ARGV[1])
return 1
