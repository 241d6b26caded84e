-- Take deliveries off RQ's queues, in their order, and note of each that it has begun, as RQ's own worker does.
--
-- All in one step: a worker that is killed has either taken a delivery and said so, or not touched it.
--
-- KEYS: 1 RQ's mark that workers are suspended, 2 the worker's executions, 3… the queues
-- ARGV: 1 how many at most, 2 the worker's name, 3 now (RQ's text), 4 now (s), 5 time to live (s),
--       6 how the key of a job begins, 7 that of an execution, 8 that of a job's executions,
--       9 how the executions' ids begin, 10… the registry of started jobs of each queue
-- Returns for each: the queue's place among them (from 1), job_id, execution's id, the job's fields and values.
-- Returns nothing at all while workers are suspended.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return false
end

local name, at, at_s, ttl_s = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local taken, most = {}, tonumber(ARGV[1])

for place = 1, #KEYS - 2 do
  while #taken < most do
    local job_id = redis.call('LPOP', KEYS[place + 2])
    if not job_id then
      break
    end
    local job = ARGV[6] .. job_id
    local fields = redis.call('HGETALL', job)
    if #fields > 0 then -- else it was forgotten meanwhile, and RQ passes over it in silence, too
      local id = ARGV[9] .. string.format('%04x', #taken)
      local execution, known = job_id .. ':' .. id, ARGV[8] .. job_id
      redis.call('HSET', job, 'status', 'started', 'started_at', at, 'last_heartbeat', at, 'worker_name', name)
      redis.call('PERSIST', job)
      redis.call('HSET', ARGV[7] .. execution, 'id', id, 'job_id', job_id, 'created_at', ARGV[4],
        'last_heartbeat', ARGV[4], 'worker_name', name)
      redis.call('EXPIRE', ARGV[7] .. execution, ttl_s)
      redis.call('ZADD', known, at_s + ttl_s + 60, id)
      redis.call('EXPIRE', known, ttl_s + 60)
      redis.call('ZADD', ARGV[9 + place], at_s + ttl_s, execution)
      redis.call('SADD', KEYS[2], execution)
      taken[#taken + 1] = { place, job_id, id, fields }
    end
  end
end
if #taken > 0 then
  redis.call('EXPIRE', KEYS[2], ttl_s + 60)
end
return taken
