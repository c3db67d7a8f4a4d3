-- Deletes keys of a state that are due.
-- KEYS: head, history, keys, deadlines, and genesis unless on a Cluster.
-- ARGV: see stateArgs in state.go.
local head = head_of(KEYS[5])
if not head then
  return { 'stale' }
end
expire(head)
finish(head)
return { head.e, string.format('%.0f', head.o), head.t, string.format('%.0f', head.u), string.format('%.0f', math.max(0, head.u - now)) }
