#!lua
-- extend: the lease of a claimed ticket runs from now again.
--
-- Keys:      KEYS[1] sf:{brand}:epoch; the others are derived, see _ticket.lua.
-- Arguments: ARGV[1] ticket id, ARGV[2] token, ARGV[3] lease in ms.
-- Reads:     ticket:<id>.
-- Writes:    ticket:<id>, claims:, leases. No event: who holds the ticket does not change.
-- Returns:   {0, id, ticket} or a refusal: {-1}, {-2}, {-3, holder, until}, {-4}, {-5, outcome}.

--@include _ticket

local id, token = ARGV[1], ARGV[2]
local _, now = clock()
local ticket, refusal = held(id, token, now)
if not ticket then
  return refusal
end
local ends = now + tonumber(ARGV[3])
redis.call('HSET', prefix .. 'ticket:' .. id, 'until', ends)
redis.call('ZADD', prefix .. 'claims:' .. ticket.department, ends, id)
redis.call('ZADD', prefix .. 'leases', ends, id)
return done(id)
