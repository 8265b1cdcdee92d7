#!lua
-- claim: the most urgent waiting ticket of a department, or a certain one, goes under a lease with a fencing token.
--
-- Keys:      KEYS[1] sf:{brand}:epoch; the others are derived, see _ticket.lua.
-- Arguments: ARGV[1] department, ARGV[2] holder, ARGV[3] lease in ms, ARGV[4] ticket id or empty for the most urgent.
-- Reads:     queue:<department>, ticket:<id>.
-- Writes:    ticket:<id>, queue:, opened:, claims:, leases, token, outbox (ticket.claimed).
-- Returns:   {0, id, ticket}; {0} when nothing waits; for a certain ticket {-1} not found,
--            {-5, outcome} resolved, {-6, holder, until (ms)} taken, {-8, department} elsewhere.

--@include _ticket

local department, holder, lease, id = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local at, now = clock()
local queue = prefix .. 'queue:' .. department

if id == '' then
  id = redis.call('ZRANGE', queue, 0, 0)[1]
  if not id then
    return {0}
  end
else
  local got = redis.call('HMGET', prefix .. 'ticket:' .. id, 'status', 'department', 'holder', 'until', 'outcome')
  if not got[2] then
    return {NOT_FOUND}
  elseif got[1] == 'resolved' then
    return {ALREADY_RESOLVED, got[5]}
  elseif got[2] ~= department then
    return {OTHER_DEPARTMENT, got[2]}
  elseif got[1] == 'claimed' then
    return {TAKEN, got[3], got[4]}
  end
end

local token = redis.call('INCR', prefix .. 'token')
local ends = now + lease
redis.call('HSET', prefix .. 'ticket:' .. id, 'status', 'claimed', 'holder', holder, 'token', token, 'until', ends)
redis.call('ZREM', queue, id)
redis.call('ZREM', prefix .. 'opened:' .. department, id)
redis.call('ZADD', prefix .. 'claims:' .. department, ends, id)
redis.call('ZADD', prefix .. 'leases', ends, id)
emit(id, 'ticket.claimed', department, at, 'holder', holder, 'token', token, 'until', ends)
return done(id)
