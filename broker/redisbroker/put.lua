-- Stores a value of a set until it expires, unless the one that is there is of the same version or a newer one: that is
-- then given, with the time. A set has a hash with its values, each behind the time when it expires and its version, and a
-- sorted set of their keys by that time, from which those are found that have expired.
-- KEYS: values, expiries.
-- ARGV: key, value, time to live, how many values there may be, version.
local key, value, ttl, most, version = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]

local expired = redis.call('ZRANGE', KEYS[2], '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)
if #expired > 0 then
  redis.call('HDEL', KEYS[1], unpack(expired))
  redis.call('ZREM', KEYS[2], unpack(expired))
end
local there = redis.call('HMGET', KEYS[1], key)[1]
if there then
  local expires, newest = string.match(there, '^(%d+) (%d+) ')
  if expires and tonumber(expires) > now and tonumber(newest) >= tonumber(version) then
    return { tostring(now), there }
  end
elseif redis.call('HLEN', KEYS[1]) >= most then
  return { 'full' }
end
redis.call('HSET', KEYS[1], key, now + ttl .. ' ' .. version .. ' ' .. value)
redis.call('ZADD', KEYS[2], now + ttl, key)
for _, name in ipairs(KEYS) do -- as long as the value that stays longest
  redis.call('PEXPIRE', name, ttl, 'NX')
  redis.call('PEXPIRE', name, ttl, 'GT')
end
return { 'stored' }
