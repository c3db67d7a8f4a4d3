-- Shared by the scripts: the topic's head, and what is no longer kept.
--
-- A topic has a hash with its head (e epoch, b its birth, o offset, t tag, c bytes of all messages since then, x when the
-- hash ends; and for what is kept: d the bytes before a message that was the oldest once, a when that was stored), and a
-- stream whose entry IDs are the offsets (t tag, p previous tag, m time, c bytes of all messages before, b body). Both are
-- in one hash slot. A topic that nobody has published to has neither.

if not redis.REDIS_VERSION_NUM then -- which came with 7.0
  return redis.error_reply('TOOOLD Redis 7.0 or newer is needed')
end

local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)

-- The tag before the first message.
local no_tag = '00000000'

-- Starts a history: whatever stood here can't be trusted. Its birth is unlike any other, its epoch perhaps not.
local function begin(epoch, birth, keep)
  -- First: a full Redis refuses it, and then all is as it was.
  redis.call('HSET', KEYS[1], 'e', epoch, 'b', birth, 'o', 0, 't', no_tag, 'c', 0, 'd', 0, 'a', now, 'x', now + keep)
  redis.call('PEXPIRE', KEYS[1], keep)
  redis.call('DEL', KEYS[2])
  return { e = epoch, b = birth, o = 0, t = no_tag, c = 0, d = 0, a = now, x = now + keep }
end

-- The stored message at an offset, or nil.
local function entry_at(offset)
  return redis.call('XRANGE', KEYS[2], offset .. '-0', offset .. '-0')[1]
end

-- A number that was written here, or nil.
local function whole(text)
  return text and #text <= 14 and string.match(text, '^%d+$') and tonumber(text)
end

-- The topic's head, from the first arguments of both scripts (see headArgs in server.go); nil if the caller must know the
-- genesis better.
--
-- A topic that isn't stored begins in its first epoch, unless a history is known to have been lost: by the caller, or by what
-- is left of it. Unborn says that nothing of it is stored yet. The high-water mark is a position that an instance has seen
-- acknowledged: a history that lacks it has gone back in time (a failover to a replica that lagged, an old snapshot), and
-- ends here. So does an epoch that is known to have ended before.
local function head_of(genesis_key)
  local birth, first, genesis, seen = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
  local mark_epoch, mark_offset, mark_tag, ended = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
  local keep = tonumber(ARGV[10])
  local stored = redis.call('HMGET', KEYS[1], 'e', 'o', 't', 'c', 'd', 'a', 'x', 'b')
  if not stored[1] or not stored[2] or not stored[3] then
    if first == '' or redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1] then
      return begin(birth, birth, keep)
    end
    if genesis_key then -- which on a Cluster is elsewhere
      seen = redis.call('HMGET', genesis_key, 'g')[1]
    end
    if seen ~= genesis then
      return nil
    end
    return { e = first, b = birth, o = 0, t = no_tag, c = 0, d = 0, a = now, x = now, unborn = true }
  end
  local head = {
    e = stored[1], o = whole(stored[2]), t = stored[3], c = whole(stored[4]) or 0,
    d = whole(stored[5]) or 0, a = whole(stored[6]) or now, x = whole(stored[7]) or 0, b = stored[8] or '',
  }
  if #head.e ~= 16 or not string.match(head.e, '^[0-9a-f]+$') or not string.match(head.e, '[^0]') or not head.o
    or #head.t ~= 8 or not string.match(head.t, '^[0-9a-f]+$') then
    error({ err = 'BROKENHEAD this is not the head of a topic' })
  end
  if head.e == ended then
    return begin(birth, birth, keep)
  end
  if mark_epoch == head.e then
    local offset = tonumber(mark_offset)
    local tag = head.t
    if offset < head.o then
      local entry = entry_at(offset)
      tag = entry and entry[2][2] or mark_tag
    end
    if offset > head.o or tag ~= mark_tag then
      return begin(birth, birth, keep)
    end
  end
  return head
end
