-- Put in front of every script that touches the queue of a shard.
--
-- KEYS[1] jobs       hash, job id -> where the job is (below)
-- KEYS[2] delayed    sorted set, job id by the time it is due, in ms
-- KEYS[3] q:control  stream of ready and leased jobs, consumer group "w"
-- KEYS[4] q:steps    likewise
-- KEYS[5] dead       stream of buried jobs
-- KEYS[6] blocked    hash, job id -> the job with what it is blocked by, until it leaves the queue or is put back otherwise
--
-- A pool is written "c" or "s". A value in jobs is one of
--   <pool><entry>                        in the pool's stream, ready or leased
--   <pool><entry>\n<due>\n<pool><job>    leased, and put back when the lease finishes
--   d<pool><job>                         delayed
--
-- A lease is the entry's place among the pending entries of the group: whose
-- it is, since when, and how often it was handed out, which is the fence.

local next_arg = 0
local function arg()
  next_arg = next_arg + 1
  return ARGV[next_arg]
end

local time
local function now()
  if not time then
    local t = redis.call('TIME')
    time = t[1] * 1000 + math.floor(t[2] / 1000)
  end
  return time
end

local function int(n) return string.format('%.0f', n) end

local function stream(pool)
  if pool == 's' then return KEYS[4] end
  return KEYS[3]
end

-- put adds a job that is not there: to its stream, or to the delayed ones.
local function put(id, pool, due, job)
  if due > 0 and due > now() then
    redis.call('ZADD', KEYS[2], int(due), id)
    redis.call('HSET', KEYS[1], id, 'd' .. pool .. job)
  else
    local entry = redis.call('XADD', stream(pool), '*', 'j', job)
    redis.call('HSET', KEYS[1], id, pool .. entry)
  end
end

local function leased(pool, entry)
  return redis.call('XPENDING', stream(pool), 'w', entry, entry, 1)[1]
end

-- failed reports whether a delayed job waits because it could not be done.
local function failed(at)
  return string.find(at, '"tries":', 1, true) or string.find(at, '"blocked":', 1, true)
end

-- enqueue adds a job unless its id is there; with again = "1" a leased one is
-- marked to be put back, and one that was to be done later comes forward.
local function enqueue(id, pool, delay, again, job)
  local due = 0
  if delay > 0 then due = now() + delay end
  local at = redis.call('HGET', KEYS[1], id)
  if not at then
    put(id, pool, due, job)
    return
  end
  if again ~= '1' then return end
  if string.sub(at, 1, 1) == 'd' then
    local was = tonumber(redis.call('ZSCORE', KEYS[2], id) or 0)
    if due < was and not failed(at) then
      redis.call('ZREM', KEYS[2], id)
      put(id, pool, due, job)
    end
    return
  end
  local p, entry = string.match(at, '^([cs])([%d-]+)')
  if p and leased(p, entry) then
    local marked = string.match(at, '^[^\n]*\n(%d+)')
    if marked then due = math.min(due, tonumber(marked)) end
    redis.call('HSET', KEYS[1], id, p .. entry .. '\n' .. int(due) .. '\n' .. pool .. job)
  end
end

-- enqueue_rest reads jobs from ARGV to its end: id, pool, delay in ms, again, job.
local function enqueue_rest()
  while next_arg < #ARGV do
    enqueue(arg(), arg(), tonumber(arg()), arg(), arg())
  end
end

local function ours(pool, entry, consumer, fence)
  local p = leased(pool, entry)
  return p and p[2] == consumer and p[4] == tonumber(fence)
end

-- drop takes a leased job off the queue and returns what was in jobs for it.
local function drop(pool, entry, id)
  redis.call('XACK', stream(pool), 'w', entry)
  redis.call('XDEL', stream(pool), entry)
  redis.call('HDEL', KEYS[6], id)
  local at = redis.call('HGET', KEYS[1], id)
  if at and string.sub(at, 1, #entry + 1) == pool .. entry then
    redis.call('HDEL', KEYS[1], id)
    return at
  end
end

-- finish drops a leased job and puts it back if it is to run again.
local function finish(pool, entry, id)
  local at = drop(pool, entry, id)
  if at and #at > #entry + 1 then
    local due, p, job = string.match(at, '^[^\n]*\n(%d+)\n(.)(.*)$')
    put(id, p, tonumber(due), job)
  end
end
