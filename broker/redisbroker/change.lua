-- Changes a key of a state: stores what became of it, and the change in the log, and sends it to all instances. Or finds
-- that this was done already, or may not be. There are two scripts of it, one that sets and appends, and one that deletes
-- and touches, which a full Redis carries out, too.
-- KEYS: head, history, keys, deadlines, ID, and genesis unless on a Cluster.
-- ARGV: see change in state.go.
local retry, content = tonumber(ARGV[17]), ARGV[18]
local op, key, data, encoding, units = ARGV[19], ARGV[20], ARGV[21], ARGV[22], tonumber(ARGV[23])
local body_start, body_rest, size, ttl = ARGV[24], ARGV[25], tonumber(ARGV[26]), tonumber(ARGV[27])
local max_keys, max_value, max_total = tonumber(ARGV[28]), tonumber(ARGV[29]), tonumber(ARGV[30])
local condition, condition_offset = ARGV[31], ARGV[32]

local head = head_of(KEYS[6])
if not head then
  return { 'stale' }
end
expire(head, key)

local function done(...)
  finish(head)
  return { ... }
end

if retry > 0 then
  local known = redis.call('HMGET', KEYS[5], 'b', 'o', 't', 'c', 'x')
  -- An ID of a lost history says nothing: the change is lost with it.
  if known[1] == head.b and tonumber(known[2]) <= head.o then
    if known[4] ~= content then
      return done('conflict')
    end
    -- A write, for a WAIT that may follow, which changes nothing.
    redis.call('PEXPIRE', KEYS[5], math.max(1, tonumber(known[5]) - now))
    return done('duplicate', head.e, known[2], known[3])
  end
end

-- The key as it is.
local old = not head.unborn and redis.call('HMGET', KEYS[3], key)[1]
local version, old_size, old_units = '', 0, 0
if old then
  old_size, old_units = #old - header_length, tonumber(string.sub(old, 46, header_length))
  if old_size < 0 or not old_units then
    error({ err = 'BROKENHEAD this is not an entry of a state' })
  end
  version = string.sub(old, 1, 16) == head.e and string.format('%.0f', tonumber(string.sub(old, 17, 30))) or '0'
end
local function refused()
  if old then
    return done('version', head.e, version)
  end
  return done('version')
end
if condition == 'absent' then
  if old then
    return refused()
  end
elseif condition ~= '' and not (old and condition == head.e and condition_offset == version) then
  return refused()
end
if op == 'touch' and not old then
  return refused()
end

local value_size = #data
if op == 'append' then
  if old and string.sub(old, 45, 45) ~= '0' then
    return done('not text')
  end
  value_size = old_size + #data
end
local grows = value_size - old_size + (old and 0 or #key)
if op == 'set' or op == 'append' then
  if value_size > max_value then
    return done('value')
  elseif not old and head.n >= max_keys then
    return done('keys')
  elseif head.y + grows > max_total then
    return done('bytes')
  end
end

local nothing = op == 'delete' and not old
if head.unborn and not (nothing and retry == 0) then
  head = begin(head.e, head.b, keep)
end
if op == 'touch' then
  head.changed = true
elseif not nothing then
  local start = op == 'append' and string.format('%08x', old_units) or ''
  add(head, tag, body_start .. start .. body_rest .. data, size)
end
if op == 'delete' and old then
  remove(head, key, old)
elseif op == 'set' then
  redis.call('HSET', KEYS[3], key, header(head, encoding, units) .. data)
elseif op == 'append' then
  redis.call('HSET', KEYS[3], key, header(head, encoding, old_units + units) .. (old and string.sub(old, header_length + 1) or '') .. data)
end
if op == 'set' or op == 'append' then
  head.n, head.y = head.n + (old and 0 or 1), head.y + grows
end
if op ~= 'delete' and ttl > 0 then
  head.z = head.z + redis.call('ZADD', KEYS[4], now + ttl, key)
elseif op ~= 'delete' then
  head.z = head.z - redis.call('ZREM', KEYS[4], key)
end
if retry > 0 then
  redis.call('HSET', KEYS[5], 'b', head.b, 'o', head.o, 't', head.t, 'c', content, 'x', now + retry)
  redis.call('PEXPIRE', KEYS[5], retry)
end
return done(nothing and 'duplicate' or 'stored', head.e, head.o, head.t)
