-- Gives the genesis, or makes it.
-- KEYS: genesis.
-- ARGV: what it is to be if there is none.
local stored = redis.call('HMGET', KEYS[1], 'g')[1]
if stored then
  return { stored }
end
redis.call('HSET', KEYS[1], 'g', ARGV[1])
return { ARGV[1] }
