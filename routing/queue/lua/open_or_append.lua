#!lua
-- open_or_append: applies a batch of mention changes of one brand. Each change is applied wholly or is a duplicate.
--
-- Keys:      KEYS[1] sf:{brand}:epoch; the others are derived, see _ticket.lua.
-- Arguments: ARGV[1] tombstone in ms, then 11 for each effect:
--    1 op              c created, e edited, d deleted
--    2 mention id
--    3 thread id
--    4 cause           16 characters that only this version of this mention has: names the ticket it opens (t-<cause>)
--                      or the discard (d-<cause>)
--    5 department      where to open a ticket; empty: discard
--    6 due_at          ms
--    7 mention         JSON
--    8 classification  JSON or empty
--    9 meta            members of a JSON object: of ticket.opened (channel, thread_id, collaborators, priority, due_at,
--                      rule) or of mention.discarded (reason, rule)
--   10 revision (e) or deleted_at (d), as JSON
--   11 rank            orders the versions of a mention; empty where revisions have no order
-- Reads:     epoch, mention:<id>, thread:<id>, ticket:<id>.
-- Writes:    all of the above but the epoch, queue:, opened:, outbox. The mark of the mention
--            comes last: should the server die inside, a repetition does the same writes again.
-- Returns:   {0, at (µs), then for each effect: ApplyCode, ticket id or '', department or ''}
--            {-10} no epoch: the data was lost, nothing was applied
--            {-11, index, what} an argument is wrong, nothing was applied

--@include _ticket
--@include _json

local OPENED, APPENDED, DISCARDED, EDITED, DELETED, DUPLICATE = 1, 2, 3, 4, 5, 6
local EPOCH_MISSING = -10
local WIDTH = 11

local call = redis.call

if call('EXISTS', KEYS[1]) == 0 then
  return {EPOCH_MISSING}
end

local tombstone = tonumber(ARGV[1])
if not tombstone or (#ARGV - 1) % WIDTH ~= 0 then
  return {BAD_ARGUMENT, -1, 'tombstone or number of arguments'}
end
for first = 2, #ARGV, WIDTH do
  local op = ARGV[first]
  local wrong = nil
  if op ~= 'c' and op ~= 'e' and op ~= 'd' then
    wrong = 'op'
  elseif ARGV[first + 1] == '' then
    wrong = 'mention id'
  elseif op ~= 'd' then
    if ARGV[first + 2] == '' then
      wrong = 'thread id'
    elseif #ARGV[first + 3] ~= 16 then
      wrong = 'cause'
    elseif ARGV[first + 4] ~= '' and not tonumber(ARGV[first + 5]) then
      wrong = 'due_at'
    elseif not string.find(ARGV[first + 6], '"text":"', 1, true) then
      wrong = 'mention'
    elseif ARGV[first + 8] == '' then
      wrong = 'meta'
    end
  elseif ARGV[first + 9] == '' then
    wrong = 'deleted_at'
  end
  if wrong then
    return {BAD_ARGUMENT, (first - 2) / WIDTH, wrong}
  end
end

local outbox = prefix .. 'outbox'
local at, now = clock()

local function stored(mention, revision)
  if revision == '' then
    return '{"mention":' .. mention .. '}'
  end
  return '{"mention":' .. mention .. ',"revision":' .. revision .. '}'
end

-- Remembers where the mention is and which version of it is known.
local function mark(first, place, ticket)
  local key = prefix .. 'mention:' .. ARGV[first + 1]
  local revision, rank = ARGV[first + 9], ARGV[first + 10]
  if rank ~= '' then
    call('HSET', key, 'p', place, 't', ticket, 'r', rank)
  elseif revision ~= '' then
    call('HSET', key, 'p', place, 't', ticket, 'v:' .. revision, '1')
  else
    call('HSET', key, 'p', place, 't', ticket)
  end
  return key
end

local function duplicate(ticket)
  if ticket == '' then
    return DUPLICATE, '', ''
  end
  return DUPLICATE, ticket, call('HGET', prefix .. 'ticket:' .. ticket, 'department') or ''
end

local function discard(first, mention, classification, meta)
  call('XADD', outbox, '*', 't', 'mention.discarded', 'k', ARGV[first + 1], 'e', ARGV[first + 3], 'at', at,
    'b', meta, 'm', mention, 'c', classification)
  call('PEXPIRE', mark(first, 'd', ''), tombstone)
  return DISCARDED, '', ''
end

local function append(first, id, key, department, count, live, latest)
  local mention = ARGV[first + 1]
  call('HSET', key, 'count', (count or 1) + 1, 'live', (live or 1) + 1, 'latest', mention,
    'm:' .. mention, stored(ARGV[first + 6], ARGV[first + 9]))
  if latest then
    call('HSET', key, 'b:' .. mention, latest)
  end
  emit(id, 'mention.appended', department, at, 'm', ARGV[first + 6], 'c', ARGV[first + 7])
  mark(first, 't', id)
  return APPENDED, id, department
end

local function open(first)
  local id, mention, thread, department = 't-' .. ARGV[first + 3], ARGV[first + 1], ARGV[first + 2], ARGV[first + 4]
  local json, classification, meta = ARGV[first + 6], ARGV[first + 7], ARGV[first + 8]
  local key = prefix .. 'ticket:' .. id
  call('HSET', key, 'department', department, 'due', ARGV[first + 5], 'opened', at, 'thread', thread, 'meta', meta,
    'classification', classification, 'first', mention, 'm:' .. mention, stored(json, ARGV[first + 9]))
  call('SET', prefix .. 'thread:' .. thread, id)
  call('ZADD', prefix .. 'queue:' .. department, ARGV[first + 5], id)
  call('ZADD', prefix .. 'opened:' .. department, now, id)
  call('XADD', outbox, '*', 't', 'ticket.opened', 'k', id, 's', '1', 'd', department, 'at', at,
    'b', meta, 'm', json, 'c', classification)
  mark(first, 't', id)
  return OPENED, id, department
end

-- Gives a mention that is nowhere its one place.
local function place(first)
  if ARGV[first + 4] == '' then
    return discard(first, ARGV[first + 6], ARGV[first + 7], ARGV[first + 8])
  end
  local id = call('GET', prefix .. 'thread:' .. ARGV[first + 2])
  if id then
    local key = prefix .. 'ticket:' .. id
    local got = call('HMGET', key, 'department', 'count', 'live', 'latest')
    if got[1] then
      return append(first, id, key, got[1], got[2], got[3], got[4])
    end
  end
  return open(first)
end

local function edit(first, id)
  local mention, key = ARGV[first + 1], prefix .. 'ticket:' .. id
  local department = call('HGET', key, 'department')
  call('HSET', key, 'm:' .. mention, stored(ARGV[first + 6], ARGV[first + 9]))
  emit(id, 'mention.edited', department, at, 'm', ARGV[first + 6], 'r', ARGV[first + 9])
  mark(first, 't', id)
  return EDITED, id, department
end

-- The latest mention is deleted: the one before it that is not is the latest now. Each is passed once at most.
local function step_back(key, mention)
  local latest = mention
  repeat
    latest = call('HGET', key, 'b:' .. latest)
  until not latest or call('HEXISTS', prefix .. 'mention:' .. latest, 'x') == 0
  if latest then
    call('HSET', key, 'latest', latest)
  else
    call('HDEL', key, 'latest')
  end
end

local function blank(first, id)
  local mention, key = ARGV[first + 1], prefix .. 'ticket:' .. id
  local got = call('HMGET', key, 'department', 'status', 'live', 'first', 'thread', 'classification', 'latest')
  local department, live = got[1], (got[3] or 1) - 1
  local text = without_text(call('HGET', key, 'm:' .. mention))
  call('HSET', key, 'live', live,
    'm:' .. mention, string.sub(text, 1, -2) .. ',"deleted_at":' .. ARGV[first + 9] .. '}')
  if got[4] == mention then
    call('HSET', key, 'classification', without_evidence(got[6]))
  end
  if got[7] == mention then
    step_back(key, mention)
  end
  emit(id, 'mention.deleted', department, at, 'i', mention)
  if live == 0 and (got[2] or 'waiting') == 'waiting' then
    call('ZREM', prefix .. 'queue:' .. department, id)
    call('ZREM', prefix .. 'opened:' .. department, id)
    withdraw(id, department, got[5], at, tombstone)
  end
  return id, department
end

local function delete(first, known, ticket)
  local key = prefix .. 'mention:' .. ARGV[first + 1]
  local id, department = '', ''
  if known == 't' then
    id, department = blank(first, ticket)
    call('HSET', key, 'x', '1')
  else
    call('HSET', key, 'x', '1')
    call('PEXPIRE', key, tombstone)
  end
  return DELETED, id, department
end

local function apply(first)
  local op = ARGV[first]
  local key = prefix .. 'mention:' .. ARGV[first + 1]
  local got = call('HMGET', key, 'p', 't', 'x', 'r')
  local known, ticket, deleted, rank = got[1], got[2] or '', got[3], got[4]
  if op == 'd' then
    if deleted then
      return duplicate(ticket)
    end
    return delete(first, known, ticket)
  end
  if deleted then
    if known then
      return duplicate(ticket)
    end
    -- What was taken away before it came is accounted for, but nobody reads its text any more.
    return discard(first, without_text(ARGV[first + 6]), '', '"reason":"deleted_first","rule":"deleted-first"')
  end
  if not known then
    return place(first)
  end
  if op == 'c' then
    return duplicate(ticket)
  end
  if ARGV[first + 10] ~= '' then
    if rank and ARGV[first + 10] <= rank then
      return duplicate(ticket)
    end
  elseif call('HEXISTS', key, 'v:' .. ARGV[first + 9]) == 1 then
    return duplicate(ticket)
  end
  if known == 't' then
    return edit(first, ticket)
  end
  -- Discarded before; as it reads now it may need somebody.
  call('PERSIST', key)
  return place(first)
end

local reply = {0, at}
local size = 2
for first = 2, #ARGV, WIDTH do
  reply[size + 1], reply[size + 2], reply[size + 3] = apply(first)
  size = size + 3
end
return reply
