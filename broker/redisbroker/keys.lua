-- Reads the head of a state and its keys. What was never changed is not stored by being read.
-- KEYS: head, history, keys, deadlines, and genesis unless on a Cluster.
-- ARGV: see headArgs in server.go.
local head = head_of(KEYS[5])
if not head then
  return { 'stale' }
end
local entries, due = {}, {}
if head.n > 0 then
  entries = redis.call('HGETALL', KEYS[3])
  local bytes = 0
  for i = 1, #entries, 2 do
    bytes = bytes + #entries[i] + #entries[i + 1] - 52 -- see state.lua
  end
  if bytes ~= head.y then -- somebody else has changed them
    head, entries = begin(ARGV[1], ARGV[1], tonumber(ARGV[10])), {}
  elseif head.u > 0 and head.u <= now then
    due = redis.call('ZRANGE', KEYS[4], '-inf', now, 'BYSCORE')
  end
end
return { head.e, string.format('%.0f', head.o), head.t, entries, due }
