-- Write one change of a job, with everything that belongs to it, or nothing at all.
--
-- The caller has read version ARGV[1] and decided on its grounds. If that version still stands, the decision does.
-- A move that is sent twice (its answer was lost) changes nothing the second time and is answered like the first;
-- a creation is refused then, and its caller compares what stands with what it meant.
--
-- KEYS: 1 to 3 of turns.lua, 4 the record, 5 the job's flow, 6 those of its client that stand aside, 7 the client's own
--       limits, 8 and 9 the client's queued and running jobs
-- ARGV: 1 version read ('' = no record), 2 version to write, 3 document ('' = unchanged, nothing to tell),
--       4 what names the job among all, 5 channel, 6 feed, 7 feed length, 8 counter that numbers a new job ('' = not new),
--       9 the eta to tell, as JSON; if it enters the queue, what eta_at needs for it,
--       10 what it does in the queue ('' = nothing, 'enter', 'start', 'leave'), 11 what a turn costs its flow,
--       12 how many jobs RQ's list may have; of a client that has no limits of its own: 13 how many jobs it may have
--       running, 14 how many in the queue when it adds this one ('none' = any number, '' = it adds none),
--       15 the request to name in the message ('' = none), 16… commands, each as: how many words, word, word…
-- Returns the job's place in the queue (-1: in none) if the change stands, nothing if it was refused, and a list of what
-- the client may have and has running if its queue is full.

-- The eta of a place, as JSON, on the line between the places of which it is known: each is four numbers, the place and
-- the quantiles in seconds. Beyond the last of them the line goes on.
local function eta_at(place, known)
  local numbers = {}
  for word in string.gmatch(known, '%S+') do
    numbers[#numbers + 1] = tonumber(word)
  end
  if #numbers == 0 then
    return 'null'
  end
  local at = 1
  while at + 8 <= #numbers and numbers[at + 4] <= place do
    at = at + 4
  end
  local share = (place - numbers[at]) / (numbers[at + 4] - numbers[at])
  local function quantile(of)
    return numbers[at + of] + share * (numbers[at + 4 + of] - numbers[at + of])
  end
  return string.format('{"p10_s":%.3f,"p50_s":%.3f,"p90_s":%.3f}', quantile(1), quantile(2), quantile(3))
end

local record, document = KEYS[4], ARGV[3]
local version = redis.call('HGET', record, 'version') or ''

if version ~= ARGV[1] then
  if ARGV[1] ~= '' and version == ARGV[2] and redis.call('HGET', record, 'document') == document then
    return redis.call('ZRANK', queued, ARGV[4]) or -1
  end
  return false
end

if ARGV[14] ~= '' then
  local most = tonumber(redis.call('HGET', KEYS[7], 'queued') or ARGV[14])
  if most and redis.call('ZCARD', KEYS[8]) >= most then
    return { most, redis.call('ZCARD', KEYS[9]) }
  end
end

if version ~= ARGV[2] then -- a full Redis refuses HSET, and has to let what is expired be deleted
  redis.call('HSET', record, 'version', ARGV[2])
end
if ARGV[8] ~= '' then
  redis.call('HSET', record, 'number', redis.call('INCR', ARGV[8]))
end

local at = 16
while at <= #ARGV do
  local words = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + words))
  at = at + words + 1
end

local step, flow, aside = ARGV[10], KEYS[5], KEYS[6]
-- most runs end, and nobody waits for that
local is_idle = step == 'leave' and redis.call('EXISTS', aside) == 0 and not redis.call('ZSCORE', flow, ARGV[4])
if step ~= '' and not is_idle then
  recall()
  local tag = redis.call('HGET', record, 'tag')
  leave(ARGV[4], flow, aside)
  if step == 'enter' then
    if not tag then -- who comes again keeps its place: it has waited once already
      tag = next_tag(flow, aside, tonumber(ARGV[11]))
      redis.call('HSET', record, 'tag', tag)
    end
    redis.call('ZADD', flow, tag, ARGV[4])
    redis.call('ZADD', aside, tag, ARGV[4])
  elseif step == 'start' then
    served = math.max(served, tonumber(tag or 0))
  end
  if step ~= 'start' and redis.call('EXISTS', aside) == 1 then
    local limit = tonumber(redis.call('HGET', KEYS[7], 'running') or ARGV[13])
    let_in(aside, redis.call('ZCARD', KEYS[8]) + redis.call('ZCARD', KEYS[9]), limit)
  end
  refill(tonumber(ARGV[12]))
  remember()
end

local position = redis.call('ZRANK', queued, ARGV[4])
if document ~= '' then
  -- the live fields are not stored: they are true only at the moment of telling
  local eta = ARGV[9]
  if step == 'enter' then
    eta = position and eta_at(position, eta) or 'null'
  end
  local told = string.sub(document, 1, -2) .. ',"position":' .. (position or 'null') .. ',"eta":' .. eta .. '}'
  local feed_id = redis.call('XADD', ARGV[6], 'MAXLEN', '~', ARGV[7], '*', 'job', told)
  redis.call('HSET', record, 'document', document, 'feed_id', feed_id)
  local request = ARGV[15] ~= '' and ',"request_id":"' .. ARGV[15] .. '"' or ''
  redis.call('PUBLISH', ARGV[5], string.sub(told, 1, -2) .. ',"feed_id":"' .. feed_id .. '"' .. request .. '}')
end
return position or -1
