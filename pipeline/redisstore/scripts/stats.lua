-- KEYS[1..6] the queue, see queue.lua
-- KEYS[7]    wake
-- ARGV[1]    how many ms ahead is soon
-- Result: for control and steps: ready, leased, age of the oldest ready job in ms;
--         then delayed, those of them that are due soon and not blocked, open runs, dead, blocked
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
local soon, blocked = now() + ARGV[1], redis.call('HKEYS', KEYS[6])
local count = redis.call('ZCOUNT', KEYS[2], '-inf', soon)
for _, id in ipairs(blocked) do
  local due = redis.call('ZSCORE', KEYS[2], id)
  if due and tonumber(due) <= soon then count = count - 1 end
end
result[#result + 1] = count
result[#result + 1] = redis.call('ZCARD', KEYS[7])
result[#result + 1] = redis.call('XLEN', KEYS[5])
result[#result + 1] = #blocked
return result
