-- Give a process some of the requests that a client may make: it may use them until their slot is over.
--
-- KEYS: 1 what the client has taken, by slots, 2 the client's own limits
-- ARGV: 1 now (ms), 2 the rate of a client that has none of its own, 3 how many are wanted, 4 the slot of those that the
--       process has left over, 5 how many these are
-- Returns the rate (how many, in how many ms), how many are given, how many are left to all, in how many ms the first
-- of what is taken counts no more, and when the slot began and is over (ms); nothing if there is no limit.
local most, window_ms = rate_of(redis.call('HGET', KEYS[2], 'requests') or ARGV[2])
if not most then
  return false
end

local now_ms, spare = tonumber(ARGV[1]), tonumber(ARGV[5])
if spare > 0 and redis.call('HEXISTS', KEYS[1], ARGV[4]) == 1 then
  redis.call('HINCRBY', KEYS[1], ARGV[4], -spare)
end
local sum, again_ms = taken(KEYS[1], now_ms, window_ms)
local given = math.max(0, math.min(tonumber(ARGV[3]), most - sum, math.max(1, math.floor(most / 100))))
if given > 0 then
  take(KEYS[1], now_ms, window_ms, given)
end
local slot = slot_of(now_ms, window_ms)
return { most, window_ms, given, math.max(0, most - sum - given), again_ms, slot, slot + slot_ms(window_ms) }
