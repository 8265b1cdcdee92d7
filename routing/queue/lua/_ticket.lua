-- What the scripts share about tickets; a line of theirs, "--@include _ticket", is replaced by this file.
--
-- Keys: KEYS[1] is `sf:{brand}:epoch` in every script. It fixes the slot; all other keys of the brand are derived
-- from it, because which ones a script touches is known only after it has looked at the first of them:
--   outbox                stream   events on their way to Kafka: t type, k ticket, s seq, d department, at (µs), ...
--   mention:<id>          hash     p place (t ticket, d discarded), t ticket id, x deleted, r rank of the version,
--                                  v:<revision> of versions without a rank
--   thread:<id>           string   the open ticket of the thread
--   ticket:<id>           hash     the ticket, see below
--   queue:<department>    zset     waiting tickets by due_at (ms)
--   opened:<department>   zset     waiting tickets by opened_at (ms)
--   claims:<department>   zset     claimed tickets by the end of the lease (ms)
--   leases                zset     all claimed tickets by the end of the lease (ms)
--   token                 string   the last fencing token
-- Fields of ticket:<id>. An opened ticket has the first row alone, which keeps the commonest write small; what is
-- absent has the value in brackets:
--   department, due (ms), opened (µs), thread, meta (members of ticket.opened as JSON), classification (JSON or empty),
--   first (mention that opened it), m:<mention id> (TicketMention as JSON) for each mention
--   status (waiting), since (µs in this department; opened), count and live (mentions, and those not deleted; 1),
--   latest (mention id, the last to come that is not deleted; first), b:<mention id> (the latest before this one; first)
--   later (events after the first; 0), attempts (0), transfers (0), h:<n> (hand-over n of the transfers as JSON)
--   holder, token, until (ms): of the last claim; ended: how it ended; outcome, resolved (µs): once it is resolved
--   by, note: who resolved it and what they noted; absent where nobody held it
-- Moments: µs as strings where they are stored (a Lua number would lose digits when joined), ms as numbers in scores.

local prefix = string.sub(KEYS[1], 1, -6)

local NOT_FOUND, NOT_CLAIMED, WRONG_TOKEN, LEASE_EXPIRED = -1, -2, -3, -4
local ALREADY_RESOLVED, TAKEN, OTHER_DEPARTMENT, SAME_DEPARTMENT = -5, -6, -8, -9
local BAD_ARGUMENT = -11

-- Now by the clock of Redis: µs as a string, ms as a number.
local function clock()
  local time = redis.call('TIME')
  return time[1] .. string.format('%06d', time[2]), tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The refusal of a text of more than `most` characters; nil where it is short enough.
local function too_long(what, text, most)
  if #text <= tonumber(most) then
    return nil
  end
  -- In UTF-8 every character has one byte that does not continue another.
  local _, length = string.gsub(text, '[^\128-\191]', '')
  return length > tonumber(most) and {BAD_ARGUMENT, what, length, tonumber(most)} or nil
end

-- Appends an event; its number is the ticket's next, so the numbers have no holes.
local function emit(id, type, department, at, ...)
  local seq = redis.call('HINCRBY', prefix .. 'ticket:' .. id, 'later', 1) + 1
  redis.call('XADD', prefix .. 'outbox', '*', 't', type, 'k', id, 's', seq, 'd', department, 'at', at, ...)
end

-- Takes the ticket out of the leases.
local function unlease(id, department)
  redis.call('ZREM', prefix .. 'claims:' .. department, id)
  redis.call('ZREM', prefix .. 'leases', id)
end

-- Puts the ticket at its place in the queue of `department`: by its deadline and age, as if it had never left.
local function enqueue(id, department, due, opened)
  redis.call('ZADD', prefix .. 'queue:' .. department, due, id)
  redis.call('ZADD', prefix .. 'opened:' .. department, string.sub(opened, 1, -4), id)
end

-- Ends a ticket that is in no queue and under no lease any more; it is kept, with the marks of its mentions, for
-- `tombstone` ms, so that a replay does not open it again.
local function finish(id, thread, outcome, at, tombstone)
  local key = prefix .. 'ticket:' .. id
  redis.call('HSET', key, 'status', 'resolved', 'outcome', outcome, 'resolved', at)
  local open = prefix .. 'thread:' .. thread
  if redis.call('GET', open) == id then
    redis.call('DEL', open)
  end
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 2) == 'm:' then
      redis.call('PEXPIRE', prefix .. 'mention:' .. string.sub(field, 3), tombstone)
    end
  end
  redis.call('PEXPIRE', key, tombstone)
end

-- A ticket that nobody holds and whose mentions are all deleted needs nobody.
local function withdraw(id, department, thread, at, tombstone)
  emit(id, 'ticket.resolved', department, at, 'outcome', 'withdrawn', 'note', '')
  finish(id, thread, 'withdrawn', at, tombstone)
end

-- The ticket's fields when `token` holds it, else nil and the refusal to return.
local function held(id, token, now)
  local key = prefix .. 'ticket:' .. id
  local got = redis.call('HMGET', key, 'status', 'department', 'token', 'until', 'holder', 'due', 'opened', 'thread',
    'live', 'ended', 'outcome')
  if not got[2] then
    return nil, {NOT_FOUND}
  end
  local status = got[1] or 'waiting'
  if status == 'resolved' then
    return nil, {ALREADY_RESOLVED, got[11]}
  end
  if status == 'waiting' then
    return nil, {got[3] == token and got[10] == 'expired' and LEASE_EXPIRED or NOT_CLAIMED}
  end
  if got[3] ~= token then
    return nil, {WRONG_TOKEN, got[5], got[4]}
  end
  if tonumber(got[4]) <= now then
    return nil, {LEASE_EXPIRED}
  end
  return {department = got[2], holder = got[5], due = got[6], opened = got[7], thread = got[8], live = tonumber(got[9] or 1)}
end

-- The answer of a transition that was made: 0 and the whole ticket as it is now.
local function done(id)
  return {0, id, redis.call('HGETALL', prefix .. 'ticket:' .. id)}
end
