-- Does what is due in a shard: delayed jobs become ready, open runs whose time
-- has come get a job that looks at them. That is the timer and also the sweep
-- that repairs a run whose job was lost.
--
-- KEYS[1..6] the queue, see queue.lua
-- KEYS[7]    wake
-- ARGV how many at most, ms after which a run is looked at again, the longest
--      answer in ms, ttl in ms of the leases of q:control and of q:steps (0: do not look)
-- Result: ms until the next thing is due, at most the longest answer; for
--         control and steps 1 if there are lapsed leases; then the consumers
--         that have leases
local limit, grace, longest = tonumber(arg()), tonumber(arg()), tonumber(arg())
local ttl = {tonumber(arg()), tonumber(arg())}

for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', int(now()), 'LIMIT', 0, limit)) do
  redis.call('ZREM', KEYS[2], id)
  local at = redis.call('HGET', KEYS[1], id)
  if at then
    put(id, string.sub(at, 2, 2), 0, string.sub(at, 3))
  end
end
for _, run in ipairs(redis.call('ZRANGEBYSCORE', KEYS[7], '-inf', int(now()), 'LIMIT', 0, limit)) do
  local id = 'advance:' .. run
  enqueue(id, 'c', 0, '1', '{"id":"' .. id .. '","kind":"advance","pool":"control","run":"' .. run .. '"}')
  redis.call('ZADD', KEYS[7], int(now() + grace), run)
end

local wait = longest
local function by(ms)
  if ms < wait then wait = math.max(ms, 0) end
end
for _, key in ipairs({KEYS[2], KEYS[7]}) do
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if first[2] then by(first[2] - now()) end
end
local lapsed = {0, 0}
local consumers = {}
for i = 1, 2 do
  if ttl[i] > 0 then
    for _, c in ipairs(redis.call('XPENDING', KEYS[2 + i], 'w')[4] or {}) do
      consumers[#consumers + 1] = c[1]
    end
    local idle = int(math.max(ttl[i] - longest, 1))
    for _, p in ipairs(redis.call('XPENDING', KEYS[2 + i], 'w', 'IDLE', idle, '-', '+', 10)) do
      if p[3] >= ttl[i] then lapsed[i] = 1 else by(ttl[i] - p[3]) end
    end
  end
end
return {math.floor(wait), lapsed[1], lapsed[2], unpack(consumers)}
