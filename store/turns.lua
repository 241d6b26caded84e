-- Whose turn it is: the queue in fair order, and the first part of it, which stands in RQ's list. Read before each
-- script that changes them.
--
-- Self-clocked fair queueing: a job's tag is the time, counted in turns, at which it will have been served if each flow
-- (one client's jobs of one priority) has its share; the time now is the tag of the job that started last. The cost of a
-- job is how long its flow waits for it. Source: S. J. Golestani, INFOCOM 1994.
--
-- The first `admitted` of the queue are RQ's: those that workers hold and have not started, then RQ's list, in order.
--
-- A client with a limit has no more jobs in the queue and running than that; its others stand aside by their tags, and
-- enter as those end. What pauses between two attempts counts as well.
--
-- KEYS: 1 the queue by tag, 2 what is remembered between steps, 3 RQ's list
local TIES = 65536 -- parts of a turn: among equals whoever came first is first
local BATCH = 100 -- jobs that one step lets in; their own steps let in the others
local queued, turns, list = KEYS[1], KEYS[2], KEYS[3]
local served, arrivals, admitted, length

local function recall()
  local kept = redis.call('HMGET', turns, 'served', 'arrivals', 'admitted')
  served, arrivals = tonumber(kept[1] or 0), tonumber(kept[2] or 0)
  admitted = math.min(tonumber(kept[3] or 0), redis.call('ZCARD', queued))
  length = redis.call('LLEN', list)
end

local function remember()
  redis.call('HSET', turns, 'served', string.format('%.0f', served), 'arrivals', arrivals, 'admitted', admitted)
end

local function held() -- how many workers have popped and not started
  return math.max(0, admitted - length)
end

local function next_tag(flow, aside, cost)
  local last = redis.call('ZREVRANGE', flow, 0, 0, 'WITHSCORES')
  -- a client whose limit keeps it back is not as far as the others
  local first = redis.call('ZRANGE', aside, 0, 0, 'WITHSCORES')
  local since = math.max(math.min(served, tonumber(first[2] or served)), tonumber(last[2] or 0))
  arrivals = (arrivals + 1) % TIES
  return string.format('%.0f', (math.floor(since / TIES) + cost) * TIES + arrivals)
end

local function leave(ref, flow, aside)
  local rank = redis.call('ZRANK', queued, ref)
  if rank then
    if rank < admitted then
      if rank >= held() then
        length = length - redis.call('LREM', list, 1, ref)
      end
      admitted = admitted - 1
    end
    redis.call('ZREM', queued, ref)
  else
    redis.call('ZREM', aside, ref)
  end
  redis.call('ZREM', flow, ref)
end

local function enter(ref, tag)
  redis.call('ZADD', queued, tag, ref)
  local rank, popped = redis.call('ZRANK', queued, ref), held()
  if rank < popped then -- what a worker holds already is ahead of whoever comes
    for _, each in ipairs(redis.call('ZRANGE', queued, rank + 1, popped)) do
      redis.call('ZADD', queued, '-inf', each)
    end
    rank = popped
  end
  if rank < admitted then
    length = redis.call('LINSERT', list, 'BEFORE', redis.call('LINDEX', list, rank - popped), ref)
    admitted = admitted + 1
  end
end

-- Let in those who stand aside: as many as `limit` allows of a client that has `own` unfinished jobs in all.
local function let_in(aside, own, limit)
  local waiting = redis.call('ZCARD', aside)
  local free = math.min(waiting, BATCH, limit and limit - own + waiting or waiting)
  if free <= 0 then
    return
  end
  local following = redis.call('ZRANGE', aside, 0, free - 1, 'WITHSCORES')
  for at = 1, #following, 2 do
    redis.call('ZREM', aside, following[at])
    enter(following[at], string.format('%.0f', tonumber(following[at + 1])))
  end
end

local function refill(window)
  if length < window then
    local following = redis.call('ZRANGE', queued, admitted, admitted + window - length - 1)
    if #following > 0 then
      length = redis.call('RPUSH', list, unpack(following))
      admitted = admitted + #following
    end
  end
  while length > window do
    -- others may have put jobs of theirs into RQ's queue: those stay
    local last = redis.call('LINDEX', list, -1)
    if last ~= redis.call('ZRANGE', queued, admitted - 1, admitted - 1)[1] then
      break
    end
    redis.call('RPOP', list)
    length, admitted = length - 1, admitted - 1
  end
end
