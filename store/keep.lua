-- Say of executions that they go on, as RQ's own worker does now and then. What has ended stays ended.
--
-- KEYS: 1 the worker's executions
-- ARGV: 1 now (RQ's text), 2 now (s), 3 time to live (s), 4 how the key of a job begins, 5 that of an execution,
--       6 that of a job's executions, 7… in turn: job_id, execution's id, registry of started jobs
local at_s, ttl_s = tonumber(ARGV[2]), tonumber(ARGV[3])

for at = 7, #ARGV, 3 do
  local job_id, id = ARGV[at], ARGV[at + 1]
  local execution = job_id .. ':' .. id
  if redis.call('EXISTS', ARGV[5] .. execution) == 1 then
    redis.call('HSET', ARGV[5] .. execution, 'last_heartbeat', ARGV[2])
    redis.call('EXPIRE', ARGV[5] .. execution, ttl_s)
    redis.call('ZADD', ARGV[6] .. job_id, 'XX', at_s + ttl_s + 60, id)
    redis.call('EXPIRE', ARGV[6] .. job_id, ttl_s + 60)
    redis.call('ZADD', ARGV[at + 2], 'XX', at_s + ttl_s, execution)
    if redis.call('EXISTS', ARGV[4] .. job_id) == 1 then
      redis.call('HSET', ARGV[4] .. job_id, 'last_heartbeat', ARGV[1])
    end
  end
end
redis.call('EXPIRE', KEYS[1], ttl_s + 60)
