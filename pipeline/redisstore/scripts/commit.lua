-- One transition, whole or not at all.
--
-- KEYS[1..6]   the queue, see queue.lua
-- KEYS[7]      wake             sorted set, open run by the time it is looked at again, in ms
-- KEYS[8]      run:<id>         hash: q request, p progress, v version, c last commit
-- KEYS[9]      run:<id>:history list of events, oldest first
-- KEYS[10]     env:<repo>:<name>          hash: d state, v version, c last commit
-- KEYS[11]     deployments:<repo>:<name>  list, newest first
-- KEYS[12..13] open, open:<repo>          sorted sets of open runs, by time made in us
-- KEYS[14]     shown:<repo>:<subject>     hash: <sink> what it showed, <sink>? a doubt about it
-- KEYS[15..]   runs...                    as open, of all runs; only for a new run
--
-- ARGV commit, a random name of this call
--      leases, a number, then for each: finish or hold, pool, entry, consumer, fence, job id
--      run version expected, or "" for no run; if there is one:
--        run id, progress, request or "", ms until it wakes or "" if it has ended,
--        ms to keep it after its end, channel to signal on or ""
--      environment version expected, or "" for none; if there is one: its state
--      deployment or ""
--      sink, or "" for none; if there is one: what it showed or "", doubt or "", ms to keep it
--      events, a number, then each
--      jobs to the end: id, pool, delay in ms, again, job
--
-- Result: 1 done, 0 a version differs, -1 a lease is lost. A call that is sent
-- a second time because its answer was lost finds its own name and is done.
local commit = arg()

local leases = {}
for i = 1, tonumber(arg()) do
  leases[i] = {arg(), arg(), arg(), arg(), arg(), arg()}
end

local run_version = arg()
local run, progress, request, wake, keep, channel
local run_conflict = false
if run_version ~= '' then
  run, progress, request, wake, keep, channel = arg(), arg(), arg(), arg(), arg(), arg()
  local stored = redis.call('HMGET', KEYS[8], 'v', 'c')
  if stored[2] == commit then return 1 end
  run_conflict = (stored[1] or '0') ~= run_version
end

local env_version = arg()
local env
local env_conflict = false
if env_version ~= '' then
  env = arg()
  local stored = redis.call('HMGET', KEYS[10], 'v', 'c')
  if stored[2] == commit then return 1 end
  env_conflict = (stored[1] or '0') ~= env_version
end

for _, l in ipairs(leases) do
  if not ours(l[2], l[3], l[4], l[5]) then return -1 end
end
if run_conflict or env_conflict then return 0 end

if run then
  local version = int(run_version + 1)
  if request == '' then
    redis.call('HSET', KEYS[8], 'p', progress, 'v', version, 'c', commit)
  else
    redis.call('HSET', KEYS[8], 'q', request, 'p', progress, 'v', version, 'c', commit)
    local t = redis.call('TIME')
    local made = t[1] * 1000000 + t[2]
    local longest = keep + 30 * 86400000
    for i = 15, #KEYS do
      redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', int(made - longest * 1000))
      redis.call('ZADD', KEYS[i], int(made), run)
      redis.call('PEXPIRE', KEYS[i], int(longest))
    end
    if wake ~= '' then
      redis.call('ZADD', KEYS[12], int(made), run)
      redis.call('ZADD', KEYS[13], int(made), run)
    end
  end
  if wake ~= '' then
    redis.call('ZADD', KEYS[7], int(now() + wake), run)
  end
end
if env then
  redis.call('HSET', KEYS[10], 'd', env, 'v', int(env_version + 1), 'c', commit)
end
local deployment = arg()
if deployment ~= '' then
  redis.call('LPUSH', KEYS[11], deployment)
  redis.call('LTRIM', KEYS[11], 0, 199)
end
local sink = arg()
if sink ~= '' then
  local showed, doubt, keep_shown = arg(), arg(), arg()
  if showed == '' then
    redis.call('HSET', KEYS[14], sink .. '?', doubt)
  else
    redis.call('HSET', KEYS[14], sink, showed)
    if redis.call('HGET', KEYS[14], sink .. '?') == doubt then redis.call('HDEL', KEYS[14], sink .. '?') end
  end
  redis.call('PEXPIRE', KEYS[14], keep_shown)
end
local events = tonumber(arg())
if events > 0 then
  redis.call('RPUSH', KEYS[9], unpack(ARGV, next_arg + 1, next_arg + events))
  next_arg = next_arg + events
end
if wake == '' then
  redis.call('ZREM', KEYS[7], run)
  redis.call('ZREM', KEYS[12], run)
  redis.call('ZREM', KEYS[13], run)
  redis.call('PEXPIRE', KEYS[8], keep)
  redis.call('PEXPIRE', KEYS[9], keep)
end

for _, l in ipairs(leases) do
  if l[1] == 'finish' then finish(l[2], l[3], l[6]) end
end
enqueue_rest()
if channel and channel ~= '' then redis.call('PUBLISH', channel, run) end
return 1
