-- Puts back leases nobody came for. The jobs were never worked on, so they
-- start anew, with fence 1.
--
-- KEYS the queue, see queue.lua
-- ARGV consumer, then for each lease: pool, entry, fence, job id, job
local consumer = arg()
while next_arg < #ARGV do
  local pool, entry, fence, id, job = arg(), arg(), arg(), arg(), arg()
  if ours(pool, entry, consumer, fence) then
    drop(pool, entry, id)
    put(id, pool, 0, job)
  end
end
return 1
