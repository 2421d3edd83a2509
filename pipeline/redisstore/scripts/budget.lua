-- A budget that holds in every window of the given length, wherever it starts.
-- The window is counted in twentieths; the one it cuts counts in full.
--
-- KEYS[1] hash, number of the twentieth -> spent in it
-- ARGV limit, length of a twentieth in us, cost; a negative one is given back
-- Result: 0 if the cost was booked, else us until it is worth asking again
local limit, width, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local slot = math.floor(now / width)
local all = redis.call('HGETALL', KEYS[1])
local spent, slots = 0, {}
for i = 1, #all, 2 do
  local s = tonumber(all[i])
  if s < slot - 20 then
    redis.call('HDEL', KEYS[1], all[i])
  else
    spent = spent + all[i + 1]
    slots[#slots + 1] = {s, tonumber(all[i + 1])}
  end
end
if cost < 0 or spent + cost <= limit then
  redis.call('HINCRBY', KEYS[1], string.format('%.0f', slot), cost)
  redis.call('PEXPIRE', KEYS[1], math.ceil(22 * width / 1000))
  return 0
end
table.sort(slots, function(a, b) return a[1] < b[1] end)
for _, s in ipairs(slots) do
  spent = spent - s[2]
  if spent + cost <= limit then return (s[1] + 21) * width - now end
end
return 20 * width
