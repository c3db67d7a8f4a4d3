-- Renews deadlines of keys of a state, after it has deleted those that are due. A topic that isn't stored has none, whatever
-- may be left of one that was.
-- KEYS: head, history, keys, deadlines, and genesis unless on a Cluster.
-- ARGV: see stateArgs in state.go; then for how long, and the keys.
local ttl = tonumber(ARGV[17])

local head = head_of(KEYS[5])
if not head then
  return { 'stale' }
end
expire(head)
local gone = {}
for i = 18, #ARGV do
  local key = ARGV[i]
  local at = tonumber(redis.call('ZSCORE', KEYS[4], key) or math.huge)
  if head.unborn or at <= now or not redis.call('HMGET', KEYS[3], key)[1] then
    gone[#gone + 1] = key
  else
    head.z = head.z + redis.call('ZADD', KEYS[4], now + ttl, key)
    head.changed = true
  end
end
finish(head)
return { head.e, string.format('%.0f', head.o), head.t, gone }
