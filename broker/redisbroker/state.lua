-- Shared by the scripts that change a state: its log, its keys and their deadlines, which are changed together or not at
-- all.
--
-- A key's entry has 52 characters before its value: epoch and offset of its last change, when that was, its encoding, and
-- its length in UTF-16 units.
-- KEYS: head, history, keys, deadlines.
-- ARGV: see stateArgs in state.go.
local age, keep = tonumber(ARGV[9]), tonumber(ARGV[10])
local tag, max_messages, max_bytes = ARGV[11], tonumber(ARGV[12]), tonumber(ARGV[13])
local publish, channel, overhead = ARGV[14], ARGV[15], tonumber(ARGV[16])

local header_length = 52
local function header(head, encoding, units)
  return string.format('%s%014.0f%014.0f%s%07.0f', head.e, head.o, now, encoding, units)
end

local payloads = {}

-- Adds a message to the log. The first command is one that a full Redis refuses, so that nothing is done by halves; a
-- script that may change something in a full Redis may do all of it.
local function add(head, new_tag, body, size)
  local offset = head.o + 1
  redis.call('XADD', KEYS[2], 'MAXLEN', max_messages, offset .. '-0', 't', new_tag, 'p', head.t, 'm', now, 'c', head.c, 'b', body)
  payloads[#payloads + 1] = table.concat({ head.e, offset, new_tag, head.t, now, body }, ' ')
  head.o, head.t, head.c = offset, new_tag, head.c + size
  head.changed = true
end

-- Takes a key away whose entry is this one.
local function remove(head, key, entry)
  redis.call('HDEL', KEYS[3], key)
  head.n, head.y = head.n - 1, head.y - #key - #entry + header_length
  head.z = head.z - redis.call('ZREM', KEYS[4], key)
end

-- A text in a body, behind its length.
local function with_length(text)
  if #text < 128 then
    return string.char(#text) .. text
  end
  return string.char(#text % 128 + 128, math.floor(#text / 128)) .. text
end

-- Deletes keys that are due, at most 100, and one that is to be changed if it is. Tags and IDs are made of what the caller
-- has drawn.
local function expire(head, changing)
  if head.u == 0 or head.u > now then
    return
  end
  local due = redis.call('ZRANGE', KEYS[4], '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)
  if changing and #due == 100 then
    local at = tonumber(redis.call('ZSCORE', KEYS[4], changing) or math.huge)
    for _, key in ipairs(due) do
      at = key == changing and math.huge or at
    end
    due[#due + 1] = at <= now and changing or nil
  end
  for i, key in ipairs(due) do
    local drawn = redis.sha1hex(ARGV[1] .. tag .. i)
    local id = string.sub(drawn, 9)
    -- Version 2, a change that is a delete, no time to live; see body.go.
    local body = '\2\16\3\0' .. with_length(id) .. '\0' .. with_length(key)
    add(head, string.sub(drawn, 1, 8), body, overhead + #id + #key)
    remove(head, key, redis.call('HMGET', KEYS[3], key)[1] or '')
  end
end

-- Drops what is no longer kept of the log, as publish.lua does. Bytes and age are looked at only when they may be over.
local function trim(head)
  if head.c - head.d <= max_bytes and head.a > now - age then
    return
  end
  for _ = 1, 100 do -- more go with the next change: a script must not take long
    local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
    head.a, head.d = tonumber(oldest[2][6]), tonumber(oldest[2][8])
    if oldest[1] == head.o .. '-0' or (head.c - head.d <= max_bytes and head.a > now - age) then
      return
    end
    redis.call('XDEL', KEYS[2], oldest[1])
  end
end

-- Makes all keys of the topic end when they may: a state that isn't empty stays, but for one all of whose keys have ended.
local function keep_keys(head)
  local x = now + keep
  if head.n > head.z then
    x = forever
    if head.x ~= forever then
      for _, key in ipairs({ KEYS[1], KEYS[3], KEYS[4] }) do
        redis.call('PERSIST', key)
      end
    end
  else
    if head.n > 0 then
      x = tonumber(redis.call('ZRANGE', KEYS[4], 0, 0, 'REV', 'WITHSCORES')[2]) + keep
    end
    for _, key in ipairs({ KEYS[1], KEYS[3], KEYS[4] }) do
      redis.call('PEXPIRE', key, x - now)
    end
  end
  head.x = x
end

-- Stores the head and sends what was added, if anything has changed.
local function finish(head)
  if not head.changed then
    return
  end
  if #payloads > 0 then
    trim(head)
    redis.call('PEXPIRE', KEYS[2], math.min(age, keep))
  end
  head.u = tonumber(redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')[2] or 0)
  keep_keys(head)
  redis.call('HSET', KEYS[1], 'o', head.o, 't', head.t, 'c', head.c, 'd', head.d, 'a', head.a, 'x', head.x,
    'n', head.n, 'y', head.y, 'z', head.z, 'u', head.u)
  for _, payload in ipairs(payloads) do
    redis.call(publish, channel, payload)
  end
end
