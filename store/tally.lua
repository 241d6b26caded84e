-- Begin the counts anew with another run of the server, unless somebody else has just done so.
--
-- KEYS: 1 the counts
-- ARGV: 1 what names this run of the server
local of = redis.call('HGET', KEYS[1], 'server')
if of ~= ARGV[1] then
  if of then
    redis.call('DEL', KEYS[1])
  end
  redis.call('HSET', KEYS[1], 'server', ARGV[1])
end
