-- KEYS the queue, see queue.lua
-- ARGV consumer, then for each lease: pool, entry, fence, job id
-- Result: for each lease 1 if it was finished, 0 if it is lost.
local consumer = arg()
local done = {}
while next_arg < #ARGV do
  local pool, entry, fence, id = arg(), arg(), arg(), arg()
  if ours(pool, entry, consumer, fence) then
    finish(pool, entry, id)
    done[#done + 1] = 1
  else
    done[#done + 1] = 0
  end
end
return done
