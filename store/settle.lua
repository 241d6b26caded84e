-- Note that deliveries have ended, as RQ's own worker does, for many at once.
--
-- A job that meanwhile was queued again is not ours to describe any more: only our execution of it goes.
--
-- KEYS: 1 the worker, 2 its executions
-- ARGV: 1 the worker's name, 2 now (RQ's text), 3 seconds worked, all together,
--       4 how the key of a job begins, 5 that of an execution, 6 that of a job's executions,
--       7… in turn: job_id, execution's id, registry of started jobs, registry of finished ones,
--          seconds to keep what RQ knows of it (-1: for ever), when that ends (s)
-- Returns the ids of the jobs on which others depend.
local name, waited_for = ARGV[1], {}

for at = 7, #ARGV, 6 do
  local job_id, id, ttl_s = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 4])
  local execution, job = job_id .. ':' .. id, ARGV[4] .. job_id
  redis.call('DEL', ARGV[5] .. execution)
  redis.call('ZREM', ARGV[6] .. job_id, id)
  redis.call('ZREM', ARGV[at + 2], execution)
  redis.call('SREM', KEYS[2], execution)
  local held = redis.call('HMGET', job, 'status', 'worker_name')
  if held[1] == 'started' and held[2] == name then
    if redis.call('EXISTS', job .. ':dependents') == 1 then
      waited_for[#waited_for + 1] = job_id
    end
    redis.call('HSET', job, 'status', 'finished', 'ended_at', ARGV[2])
    if ttl_s > 0 then
      redis.call('EXPIRE', job, ttl_s)
    elseif ttl_s == 0 then
      redis.call('DEL', job)
    end
    if ttl_s ~= 0 then
      redis.call('ZADD', ARGV[at + 3], ARGV[at + 5], job_id)
    end
  end
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'successful_job_count', (#ARGV - 6) / 6)
  redis.call('HINCRBYFLOAT', KEYS[1], 'total_working_time', ARGV[3])
end
return waited_for
