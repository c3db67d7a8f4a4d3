-- Stores a message and sends it to all instances, or finds that it is stored already.
-- KEYS: head, history, ID, and genesis unless on a Cluster.
-- ARGV: see addition in server.go.
local age, keep = tonumber(ARGV[9]), tonumber(ARGV[10])
local tag, body, size, content = ARGV[11], ARGV[12], tonumber(ARGV[13]), ARGV[14]
local max_messages, max_bytes, retry = tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17])
local publish, channel = ARGV[18], ARGV[19]

local head = head_of(KEYS[4])
if not head then
  return { 'stale' }
end

if retry > 0 then
  local known = redis.call('HMGET', KEYS[3], 'b', 'o', 't', 'c', 'x')
  -- An ID of a lost history says nothing: the message is lost with it.
  if known[1] == head.b and tonumber(known[2]) <= head.o then
    if known[4] ~= content then
      return { 'conflict' }
    end
    -- A write, for a WAIT that may follow, which changes nothing.
    redis.call('PEXPIRE', KEYS[3], math.max(1, tonumber(known[5]) - now))
    return { 'duplicate', head.e, known[2], known[3] }
  end
end
if head.unborn then
  head = begin(head.e, head.b, keep)
end

-- The count is bounded here. Bytes and age are looked at only when they may be over.
local offset = head.o + 1
redis.call('XADD', KEYS[2], 'MAXLEN', max_messages, offset .. '-0', 't', tag, 'p', head.t, 'm', now, 'c', head.c, 'b', body)
local bytes = head.c + size
if bytes - head.d > max_bytes or head.a <= now - age then
  for _ = 1, 100 do -- more go with the next message: a script must not take long
    local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
    head.a, head.d = tonumber(oldest[2][6]), tonumber(oldest[2][8])
    if oldest[1] == offset .. '-0' or (bytes - head.d <= max_bytes and head.a > now - age) then
      break
    end
    redis.call('XDEL', KEYS[2], oldest[1])
  end
end
redis.call('PEXPIRE', KEYS[2], math.min(age, keep))
if head.x < now + keep * 7 / 8 then
  head.x = now + keep
  redis.call('PEXPIRE', KEYS[1], keep, 'GT')
end
redis.call('HSET', KEYS[1], 'o', offset, 't', tag, 'c', bytes, 'd', head.d, 'a', head.a, 'x', head.x)
if retry > 0 then
  redis.call('HSET', KEYS[3], 'b', head.b, 'o', offset, 't', tag, 'c', content, 'x', now + retry)
  redis.call('PEXPIRE', KEYS[3], retry)
end
redis.call(publish, channel, table.concat({ head.e, offset, tag, head.t, now, body }, ' '))
return { 'stored', head.e, offset, tag }
