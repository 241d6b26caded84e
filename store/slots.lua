-- How much was taken within a window of time that slides. Read before each script that counts so.
--
-- The window is cut into slots. What is taken counts in the slot of its time, and until the whole of that slot is as old
-- as the window: so there is no more than was allowed in any window, however it is laid.
local SLOTS = 20

local function slot_ms(window_ms)
  return window_ms / SLOTS
end

local function slot_of(now_ms, window_ms)
  return now_ms - now_ms % slot_ms(window_ms)
end

-- The rate that a text stands for: how many, in how many ms; nothing if there is no limit.
local function rate_of(text)
  local most, seconds = string.match(text, '^(%d+)/(%d*)s$')
  if most then
    return tonumber(most), (tonumber(seconds) or 1) * 1000
  end
end

-- How much is taken, and in how many ms the first of it will count no more.
local function taken(key, now_ms, window_ms)
  local counts = redis.call('HGETALL', key)
  local sum, oldest = 0, nil
  for at = 1, #counts, 2 do
    local slot, count = tonumber(counts[at]), tonumber(counts[at + 1])
    if slot + slot_ms(window_ms) + window_ms <= now_ms then
      redis.call('HDEL', key, counts[at])
    elseif count > 0 then
      sum, oldest = sum + count, math.min(oldest or slot, slot)
    end
  end
  return sum, (oldest or now_ms) + slot_ms(window_ms) + window_ms - now_ms
end

local function take(key, now_ms, window_ms, count)
  redis.call('HINCRBY', key, string.format('%.0f', slot_of(now_ms, window_ms)), count)
  redis.call('PEXPIRE', key, window_ms + slot_ms(window_ms))
end
