-- Reads the head of a topic and some of its messages. What was never published to is not stored by being read, and no
-- message is read for a position that isn't proven.
-- KEYS: head, history, of a state its keys and deadlines, and genesis unless on a Cluster.
-- ARGV: see Read in server.go.
local age, keep = tonumber(ARGV[9]), tonumber(ARGV[10])
local mode, count, bytes = ARGV[11], tonumber(ARGV[12]), tonumber(ARGV[13])

local head = head_of(KEYS[state and 5 or 3])
if not head then
  return { 'stale' }
end
if head.x < now + keep * 7 / 8 and not head.unborn and not (state and head.n > 0) then
  redis.pcall('HSET', KEYS[1], 'x', now + keep) -- which a full Redis refuses; then the next read comes here too
  redis.call('PEXPIRE', KEYS[1], keep, 'GT') -- another broker may keep it longer
end

local found, gap = {}, ''
local function take(entry)
  local fields = entry[2]
  found[#found + 1] = { string.match(entry[1], '^%d+'), fields[2], fields[4], fields[6], fields[10] }
end

-- Too old to be read. A clock that was set back makes times jump, but leaves no hole in what is read.
local function expired(entry)
  return tonumber(entry[2][6]) <= now - age
end

-- Why what follows a position isn't known; '' if it is. Either the message at the position is still there and has its tag,
-- or the one after it names that tag.
local function gap_after(epoch, offset, tag)
  if epoch ~= head.e then
    return 'epoch'
  elseif offset > head.o then
    return 'fork'
  elseif offset == head.o then
    return tag == head.t and '' or 'fork'
  end
  local own, following = entry_at(offset), entry_at(offset + 1)
  if own and not expired(own) then
    if own[2][2] ~= tag then
      return 'fork'
    end
    return following and '' or 'trimmed'
  elseif not following or expired(following) then
    return 'trimmed'
  end
  return following[2][4] == tag and '' or 'fork'
end

-- The bytes of all messages before an offset.
local function bytes_before(offset)
  local entry = offset <= head.o and entry_at(offset)
  return entry and tonumber(entry[2][8]) or head.c
end

-- Takes what follows a position, as far as the limit allows: at least one message, or at least so many, or none.
local function read_after(from, least)
  local first, last = from + 1, math.min(head.o, from + count)
  local before = bytes_before(first)
  local function fits(offset)
    return bytes_before(offset + 1) - before <= bytes
  end
  if least > 0 and not fits(math.min(head.o, from + least)) then
    return
  end
  if not fits(last) then
    local most = first
    while last - most > 1 do
      local middle = math.floor((most + last) / 2)
      if fits(middle) then
        most = middle
      else
        last = middle
      end
    end
    last = most
  end
  for _, entry in ipairs(redis.call('XRANGE', KEYS[2], first .. '-0', last .. '-0')) do
    take(entry)
  end
end

-- Takes the newest messages, as far as the limit allows. They are read a few at a time: that many may be far more bytes
-- than are given, and any client may ask for them.
local function read_newest()
  local few, before = 16, '+'
  while count > 0 do
    local entries = redis.call('XREVRANGE', KEYS[2], before, '-', 'COUNT', math.min(count, few))
    for _, entry in ipairs(entries) do
      if expired(entry) or head.c - tonumber(entry[2][8]) > bytes then
        return
      end
      take(entry)
      before = '(' .. entry[1]
    end
    count = #entries < few and 0 or count - few
  end
end

if mode == 'recent' then
  read_newest()
elseif mode == 'since' then
  local epoch, from, tag = ARGV[14], tonumber(ARGV[15]), ARGV[16]
  gap = gap_after(epoch, from, tag)
  if gap == '' and from < head.o then
    read_after(from, tonumber(ARGV[17]))
  end
end
return { head.e, string.format('%.0f', head.o), head.t, found, gap }
