#!lua
-- resolve: the holder ends a ticket. Its thread is free: the next mention in it opens a new ticket.
--
-- Keys:      KEYS[1] sf:{brand}:epoch; the others are derived, see _ticket.lua.
-- Arguments: ARGV[1] ticket id, ARGV[2] token, ARGV[3] outcome, ARGV[4] note, ARGV[5] tombstone in ms, ARGV[6]
--            most characters of a note.
-- Reads:     ticket:<id>, thread:<id>.
-- Writes:    ticket:<id>, claims:, leases, thread:<id>, outbox (ticket.resolved); the ticket, its mentions and their
--            marks expire after the tombstone.
-- Returns:   {0, id, ticket} or a refusal: {-1}, {-2}, {-3, holder, until}, {-4}, {-5, outcome},
--            {-11, 'note', characters, most} too long.

--@include _ticket

local id, token, outcome, note, tombstone = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local wrong = too_long('note', note, ARGV[6])
if wrong then
  return wrong
end
local at, now = clock()
local ticket, refusal = held(id, token, now)
if not ticket then
  return refusal
end
redis.call('HSET', prefix .. 'ticket:' .. id, 'by', ticket.holder, 'note', note)
unlease(id, ticket.department)
emit(id, 'ticket.resolved', ticket.department, at, 'holder', ticket.holder, 'outcome', outcome, 'note', note)
finish(id, ticket.thread, outcome, at, tombstone)
return done(id)
