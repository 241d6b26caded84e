-- Say whose a token is, as long as not too many that are none have come from an address.
--
-- A token that was good there before is looked at in any case: so whoever guesses holds up nobody who is known.
--
-- KEYS: 1 wrong tokens of the address, by slots, 2 the mark that this token was good there, 3 the token, 4 the admin's
-- ARGV: 1 now (ms), 2 the rate of wrong tokens, 3 the token's SHA-256, 4 whether it is the one that the admin was given
--       ('yes', 'no'; '' = the service has made the admin's), 5 how long the mark is kept (s)
-- Returns 'client' and its client_id, 'admin', 'nobody', or 'wait', how many there may be, and for how long (ms).
local now_ms, most, window_ms = tonumber(ARGV[1]), rate_of(ARGV[2])
local left_s = redis.call('TTL', KEYS[2])
if most and left_s < 0 then
  local sum, again_ms = taken(KEYS[1], now_ms, window_ms)
  if sum >= most then
    return { 'wait', most, again_ms }
  end
end

local owner = redis.call('GET', KEYS[3])
if owner or ARGV[4] == 'yes' or (ARGV[4] == '' and redis.call('GET', KEYS[4]) == ARGV[3]) then
  if most and left_s < ARGV[5] / 2 then
    redis.pcall('SET', KEYS[2], '', 'EX', ARGV[5]) -- a full Redis lets in as well
  end
  return owner and { 'client', owner } or { 'admin' }
end
if most then
  take(KEYS[1], now_ms, window_ms, 1)
end
return { 'nobody' }
