-- Reads the head of a topic and some of its messages.
-- KEYS: meta, stream.
-- ARGV: see read in server.go.
local epoch, first_tag = ARGV[1], ARGV[2]
local age, keep = tonumber(ARGV[3]), tonumber(ARGV[4])
local mode, from, count, bytes = ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])

local head = head_of(KEYS[1], KEYS[2], epoch, first_tag, ARGV[5], ARGV[6], ARGV[7], ARGV[8], keep)
redis.call('PEXPIRE', KEYS[1], keep, 'GT') -- another broker may keep it longer

local found = {}
local function take(entry)
  local fields = entry[2]
  found[#found + 1] = { string.match(entry[1], '^%d+'), fields[2], fields[4], fields[6], fields[10] }
end

-- Too old to be told. A clock that was set back makes times jump: what is read has no hole for it.
local function expired(entry)
  return tonumber(entry[2][6]) <= now - age
end

if mode == 'recent' and count > 0 then
  for _, entry in ipairs(redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', count)) do
    if expired(entry) then
      break
    end
    take(entry)
  end
elseif mode == 'since' and from < head.o then
  -- The entry at the position itself comes first, if it is kept: its tag is what proves the position.
  local done, next_offset, taken, first = false, from, 0, 0
  -- Whether what is taken is over the limit, given the bytes before what follows it.
  local function over(before)
    return taken > 1 and before - first > bytes
  end
  while not done do
    local entries = redis.call('XRANGE', KEYS[2], next_offset .. '-0', '+', 'COUNT', 128)
    done = #entries < 128
    for _, entry in ipairs(entries) do
      local own, before = tonumber((string.match(entry[1], '^%d+'))), tonumber(entry[2][8])
      if over(before) or taken >= count then
        done, head.c = true, before
        break
      end
      if own > from then
        first = taken == 0 and before or first
        taken = taken + 1
      end
      if #found > 0 or not expired(entry) then
        take(entry)
      end
      next_offset = own + 1
    end
  end
  if over(head.c) then
    found[#found] = nil
  end
end
return { head.e, tostring(head.o), head.t, found }
