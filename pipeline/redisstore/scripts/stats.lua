-- KEYS[1..5] the queue, see queue.lua
-- KEYS[6]    wake
-- ARGV[1]    how many ms ahead is soon
-- Result: for control and steps: ready, leased, age of the oldest ready job in ms;
--         then delayed, those of them that are due soon, open runs, dead
local result = {}
for i = 3, 4 do
  local pending = redis.call('XPENDING', KEYS[i], 'w')
  local ready, age = redis.call('XLEN', KEYS[i]) - pending[1], 0
  if ready > 0 then
    local first = redis.call('XRANGE', KEYS[i], pending[3] and '(' .. pending[3] or '-', '+', 'COUNT', 1)[1]
    if first then age = math.max(0, now() - string.match(first[1], '^%d+')) end
  end
  result[#result + 1] = ready
  result[#result + 1] = pending[1]
  result[#result + 1] = age
end
result[#result + 1] = redis.call('ZCARD', KEYS[2])
result[#result + 1] = redis.call('ZCOUNT', KEYS[2], '-inf', now() + ARGV[1])
result[#result + 1] = redis.call('ZCARD', KEYS[6])
result[#result + 1] = redis.call('XLEN', KEYS[5])
return result
