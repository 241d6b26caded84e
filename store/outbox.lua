-- Write one change of a delivery, or nothing at all.
--
-- The caller has read version ARGV[1] and decided on its grounds. If that version still stands, the commands are run:
-- they are all of the change, the new version among them.
--
-- KEYS: 1 the delivery
-- ARGV: 1 version read, 2… commands, each as: how many words, word, word…
-- Returns 1 if the change stands, nothing if it was refused.
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then
  return false
end
local at = 2
while at <= #ARGV do
  local words = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + words))
  at = at + words + 1
end
return 1
