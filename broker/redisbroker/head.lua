-- Shared by the scripts: the topic's head, and what is no longer kept.
--
-- A topic has a hash with its head (e epoch, b its birth, o offset, t tag, c bytes of all messages since then, x when the
-- hash ends; and for what is kept: d the bytes before a message that was the oldest once, a when that was stored), and a
-- stream whose entry IDs are the offsets (t tag, p previous tag, m time, c bytes of all messages before, b body). Both are
-- in one hash slot. A topic that nobody has published to has neither.
--
-- A script is about logs or about states, as the line before this file says. The head of a state has more: k its kind, n
-- and y how many keys there are, and how many bytes in them and their values, z how many of the keys have a deadline, u the
-- next one. Its keys are in a hash, and their deadlines in a sorted set; see state.lua.

if not redis.REDIS_VERSION_NUM then -- which came with 7.0
  return redis.error_reply('TOOOLD Redis 7.0 or newer is needed')
end

local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)

-- The tag before the first message.
local no_tag = '00000000'

-- When the head ends of a state whose keys stay.
local forever = 99999999999999

-- Starts a history: whatever stood here can't be trusted. Its birth is unlike any other, its epoch perhaps not. A state
-- keeps its keys if they are what an old head says.
local function begin(epoch, birth, keep, old)
  local head = { e = epoch, b = birth, o = 0, t = no_tag, c = 0, d = 0, a = now, x = now + keep, n = 0, y = 0, z = 0, u = 0 }
  if state and old and old.n > 0 then
    head.x, head.n, head.y, head.z, head.u = old.x, old.n, old.y, old.z, old.u
  end
  -- First: a full Redis refuses it, and then all is as it was.
  redis.call('HSET', KEYS[1], 'e', epoch, 'b', birth, 'o', 0, 't', no_tag, 'c', 0, 'd', 0, 'a', now, 'x', head.x)
  if state then
    redis.call('HSET', KEYS[1], 'k', 'state', 'n', head.n, 'y', head.y, 'z', head.z, 'u', head.u)
  end
  redis.call('DEL', KEYS[2])
  if head.n == 0 then
    redis.call('PEXPIRE', KEYS[1], keep)
    if state then
      redis.call('DEL', KEYS[3], KEYS[4])
    end
  end
  return head
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
  local stored = redis.call('HMGET', KEYS[1], 'e', 'o', 't', 'c', 'd', 'a', 'x', 'b', 'k')
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
    return { e = first, b = birth, o = 0, t = no_tag, c = 0, d = 0, a = now, x = now, n = 0, y = 0, z = 0, u = 0, unborn = true }
  end
  local head = {
    e = stored[1], o = whole(stored[2]), t = stored[3], c = whole(stored[4]) or 0,
    d = whole(stored[5]) or 0, a = whole(stored[6]) or now, x = whole(stored[7]) or 0, b = stored[8] or '',
  }
  if #head.e ~= 16 or not string.match(head.e, '^[0-9a-f]+$') or not string.match(head.e, '[^0]') or not head.o
    or #head.t ~= 8 or not string.match(head.t, '^[0-9a-f]+$') then
    error({ err = 'BROKENHEAD this is not the head of a topic' })
  end
  if (stored[9] == 'state') ~= state then
    error({ err = 'WRONGKIND the topic is stored as a ' .. (state and 'log' or 'state') })
  end
  if state then
    local counts = redis.call('HMGET', KEYS[1], 'n', 'y', 'z', 'u')
    head.n, head.y, head.z, head.u = whole(counts[1]) or 0, whole(counts[2]) or 0, whole(counts[3]) or 0, whole(counts[4]) or 0
    if redis.call('HLEN', KEYS[3]) ~= head.n or redis.call('ZCARD', KEYS[4]) ~= head.z then
      return begin(birth, birth, keep)
    end
  end
  if head.e == ended then
    return begin(birth, birth, keep, head)
  end
  if mark_epoch == head.e then
    local offset = tonumber(mark_offset)
    local tag = head.t
    if offset < head.o then
      local entry = entry_at(offset)
      tag = entry and entry[2][2] or mark_tag
    end
    if offset > head.o or tag ~= mark_tag then
      return begin(birth, birth, keep, head)
    end
  end
  return head
end
