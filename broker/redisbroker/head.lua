-- Shared by the scripts: the topic's head, and what is no longer kept.
--
-- A topic has a hash with its head (e epoch, o offset, t tag, c bytes of all messages of the epoch, x when the hash ends;
-- and for what is kept: d the bytes before a message that was the oldest once, a when that was stored), and a stream whose
-- entry IDs are the offsets (t tag, p previous tag, m time, c bytes of all messages before, b body). Both are in one hash
-- slot.

if not redis.REDIS_VERSION_NUM then -- which came with 7.0
  return redis.error_reply('TOOOLD Redis 7.0 or newer is needed')
end

local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)

-- Starts a new epoch: whatever stood here is history that can't be trusted.
local function begin(meta, stream, epoch, tag, keep)
  -- First: a full Redis refuses it, and then all is as it was.
  redis.call('HSET', meta, 'e', epoch, 'o', 0, 't', tag, 'c', 0, 'd', 0, 'a', now, 'x', now + keep)
  redis.call('PEXPIRE', meta, keep)
  redis.call('DEL', stream)
  return { e = epoch, o = 0, t = tag, c = 0, d = 0, a = now, x = now + keep }
end

-- The tag of the stored message at an offset, or nil.
local function tag_at(stream, offset)
  local entry = redis.call('XRANGE', stream, offset .. '-0', offset .. '-0')[1]
  return entry and entry[2][2]
end

-- The topic's head. A witness is a position that an instance has seen acknowledged: a history that doesn't have it has
-- gone back in time (a failover to a replica that lagged, an old snapshot), and ends here. So does an epoch that is known
-- to have ended before.
local function head_of(meta, stream, epoch, tag, witness_epoch, witness_offset, witness_tag, left, keep)
  local stored = redis.call('HMGET', meta, 'e', 'o', 't', 'c', 'd', 'a', 'x')
  if not stored[1] or not stored[2] or not stored[3] or stored[1] == left then
    return begin(meta, stream, epoch, tag, keep)
  end
  local head = {
    e = stored[1], o = tonumber(stored[2]), t = stored[3], c = tonumber(stored[4]) or 0,
    d = tonumber(stored[5]) or 0, a = tonumber(stored[6]) or now, x = tonumber(stored[7]) or 0,
  }
  if witness_epoch == head.e then
    local offset = tonumber(witness_offset)
    local seen = head.t
    if offset < head.o then
      seen = tag_at(stream, offset) or witness_tag
    end
    if offset > head.o or seen ~= witness_tag then
      return begin(meta, stream, epoch, tag, keep)
    end
  end
  return head
end
