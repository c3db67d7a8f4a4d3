-- Gives a value of a set, and forgets it.
-- KEYS: values, expiries.
-- ARGV: key.
local stored = redis.call('HMGET', KEYS[1], ARGV[1])[1]
if stored then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return { tostring(now), stored }
