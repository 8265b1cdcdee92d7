#!lua
-- transfer: the holder hands a ticket over to another department; the customer's deadline stays.
--
-- Keys:      KEYS[1] sf:{brand}:epoch; the others are derived, see _ticket.lua.
-- Arguments: ARGV[1] ticket id, ARGV[2] token, ARGV[3] new department, ARGV[4] reason, ARGV[5] most
--            characters of a reason, ARGV[6] hand-overs that a ticket keeps, ARGV[7] 1 when the ticket
--            should never have come here, else 0.
-- Reads:     ticket:<id>.
-- Writes:    ticket:<id>, claims:, leases, queue: and opened: of the new department, outbox (ticket.transferred).
-- Returns:   {0, id, ticket} or a refusal: {-1}, {-2}, {-3, holder, until}, {-4}, {-5, outcome},
--            {-9} the ticket is in that department already, {-11, 'reason', characters, most} too long.

--@include _ticket

local id, token, to, reason, misrouted = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[7] == '1'
local wrong = too_long('reason', reason, ARGV[5])
if wrong then
  return wrong
end
local at, now = clock()
local ticket, refusal = held(id, token, now)
if not ticket then
  return refusal
elseif ticket.department == to then
  return {SAME_DEPARTMENT}
end
local key = prefix .. 'ticket:' .. id
local number = redis.call('HINCRBY', key, 'transfers', 1)
-- All are strings or true, so here cjson neither loses digits nor confuses a list with an object.
local handover = {
  from_department = ticket.department, to_department = to, holder = ticket.holder, reason = reason, at = at
}
if misrouted then
  handover.misrouted = true
end
redis.call('HSET', key, 'status', 'waiting', 'ended', 'transferred', 'department', to, 'since', at,
  'h:' .. number, cjson.encode(handover))
redis.call('HDEL', key, 'h:' .. number - ARGV[6])
unlease(id, ticket.department)
enqueue(id, to, ticket.due, ticket.opened)
local event = {'holder', ticket.holder, 'from', ticket.department, 'reason', reason}
if misrouted then
  event[7], event[8] = 'misrouted', '1'
end
emit(id, 'ticket.transferred', to, at, unpack(event))
return done(id)
