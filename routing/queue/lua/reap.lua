#!lua
-- reap: tickets whose lease ran out go back to their place in the queue, with one more attempt counted.
--
-- Keys:      KEYS[1] sf:{brand}:epoch; the others are derived, see _ticket.lua.
-- Arguments: ARGV[1] most tickets in one call, ARGV[2] tombstone in ms.
-- Reads:     leases, ticket:<id>.
-- Writes:    ticket:<id>, leases, claims:, queue:, opened:, outbox (lease.expired; ticket.resolved as withdrawn where
--            all mentions were deleted meanwhile).
-- Returns:   {id, department, id, department, ...}

--@include _ticket

local limit, tombstone = ARGV[1], ARGV[2]
local at, now = clock()
local reply = {}
for _, id in ipairs(redis.call('ZRANGE', prefix .. 'leases', '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)) do
  local key = prefix .. 'ticket:' .. id
  local got = redis.call('HMGET', key, 'department', 'holder', 'due', 'opened', 'thread', 'live')
  local department = got[1]
  redis.call('HSET', key, 'status', 'waiting', 'ended', 'expired')
  local attempts = redis.call('HINCRBY', key, 'attempts', 1)
  unlease(id, department)
  emit(id, 'lease.expired', department, at, 'holder', got[2], 'attempts', attempts)
  if got[6] == '0' then
    withdraw(id, department, got[5], at, tombstone)
  else
    enqueue(id, department, got[3], got[4])
  end
  reply[#reply + 1] = id
  reply[#reply + 1] = department
end
return reply
