#!lua
-- release: the holder gives a ticket back to its place in the queue.
--
-- Keys:      KEYS[1] sf:{brand}:epoch; the others are derived, see _ticket.lua.
-- Arguments: ARGV[1] ticket id, ARGV[2] token, ARGV[3] reason, ARGV[4] tombstone in ms, ARGV[5] most
--            characters of a reason.
-- Reads:     ticket:<id>.
-- Writes:    ticket:<id>, claims:, leases, queue:, opened:, outbox (ticket.released; ticket.resolved as withdrawn where
--            all mentions were deleted meanwhile).
-- Returns:   {0, id, ticket} or a refusal: {-1}, {-2}, {-3, holder, until}, {-4}, {-5, outcome},
--            {-11, 'reason', characters, most} too long.

--@include _ticket

local id, token, reason, tombstone = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local wrong = too_long('reason', reason, ARGV[5])
if wrong then
  return wrong
end
local at, now = clock()
local ticket, refusal = held(id, token, now)
if not ticket then
  return refusal
end
redis.call('HSET', prefix .. 'ticket:' .. id, 'status', 'waiting', 'ended', 'released')
unlease(id, ticket.department)
emit(id, 'ticket.released', ticket.department, at, 'holder', ticket.holder, 'reason', reason)
if ticket.live == 0 then
  withdraw(id, ticket.department, ticket.thread, at, tombstone)
else
  enqueue(id, ticket.department, ticket.due, ticket.opened)
end
return done(id)
