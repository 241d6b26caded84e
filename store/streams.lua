-- Let a client have one stream more, if it has not as many as it may in all processes together.
--
-- Each process says how many it has. What one has said that is no more (it was killed) is dropped by whoever comes next.
--
-- KEYS: 1 the client's streams, by process, 2 the client's own limits
-- ARGV: 1 the process, 2 how many it has with this one, 3 how many a client may have that has no limit of its own,
--       4 how the key of a process begins, 5 how long a process is there that says nothing (s)
-- Returns how many the client may have if these are too many, else nothing.
local sum, counts = tonumber(ARGV[2]), redis.call('HGETALL', KEYS[1])
for at = 1, #counts, 2 do
  if counts[at] ~= ARGV[1] then
    if redis.call('EXISTS', ARGV[4] .. counts[at]) == 1 then
      sum = sum + tonumber(counts[at + 1])
    else
      redis.call('HDEL', KEYS[1], counts[at])
    end
  end
end
local most = tonumber(redis.call('HGET', KEYS[2], 'streams') or ARGV[3])
if most and sum > most then
  return most
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], 86400)
redis.call('SET', ARGV[4] .. ARGV[1], '', 'EX', ARGV[5])
return false
