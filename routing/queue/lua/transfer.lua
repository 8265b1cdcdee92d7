#!lua
-- transfer: the holder hands a ticket over to another department; the customer's deadline stays.
--
-- Keys:      KEYS[1] sf:{brand}:epoch; the others are derived, see _ticket.lua.
-- Arguments: ARGV[1] ticket id, ARGV[2] token, ARGV[3] new department, ARGV[4] reason.
-- Reads:     ticket:<id>.
-- Writes:    ticket:<id>, claims:, leases, queue: and opened: of the new department, outbox (ticket.transferred).
-- Returns:   {0, id, ticket} or a refusal: {-1}, {-2}, {-3, holder, until}, {-4}, {-5, outcome},
--            {-9} the ticket is in that department already.

--@include _ticket

local id, token, to, reason = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local at, now = clock()
local ticket, refusal = held(id, token, now)
if not ticket then
  return refusal
elseif ticket.department == to then
  return {SAME_DEPARTMENT}
end
local key = prefix .. 'ticket:' .. id
redis.call('HSET', key, 'status', 'waiting', 'ended', 'transferred', 'department', to, 'since', at)
redis.call('HINCRBY', key, 'transfers', 1)
unlease(id, ticket.department)
enqueue(id, to, ticket.due, ticket.opened)
emit(id, 'ticket.transferred', to, at, 'holder', ticket.holder, 'from', ticket.department, 'reason', reason)
return done(id)
