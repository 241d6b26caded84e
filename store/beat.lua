-- Renew the lease of a run, and tell its worker whether to go on.
--
-- KEYS: 1 the record, 2 the index of running jobs
-- ARGV: 1 the run, 2 the lease's new end (ms), 3 what names the job among all
-- Returns 'go', 'cancel' (its owner asked for it) or 'gone' (the job is not this run's any more).
local run = redis.call('HGET', KEYS[1], 'run')
if run ~= ARGV[1] or not redis.call('ZSCORE', KEYS[2], ARGV[3]) then
  return 'gone'
end
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[3])
if string.find(redis.call('HGET', KEYS[1], 'version'), 'c', 1, true) then
  return 'cancel'
end
return 'go'
