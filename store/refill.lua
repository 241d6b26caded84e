-- Let RQ's list have what it may, and look for what workers hold and have not started.
--
-- KEYS: those of turns.lua
-- ARGV: 1 how many jobs RQ's list may have
-- Returns the jobs that were popped.
recall()
local before = admitted
refill(tonumber(ARGV[1]))
if admitted ~= before then
  remember()
end

local listed = {}
for _, ref in ipairs(redis.call('LRANGE', list, 0, -1)) do
  listed[ref] = true
end
local popped = {}
if admitted > 0 then
  for _, ref in ipairs(redis.call('ZRANGE', queued, 0, admitted - 1)) do
    if not listed[ref] then
      popped[#popped + 1] = ref
    end
  end
end
return popped
