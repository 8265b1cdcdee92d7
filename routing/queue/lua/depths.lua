#!lua flags=no-writes
-- depths: how full the queues are, at one moment.
--
-- Keys:      KEYS[1] sf:{brand}:epoch; the others are derived, see _ticket.lua.
-- Arguments: names of queues.
-- Reads:     queue:, claims:, opened:.
-- Writes:    nothing.
-- Returns:   for each name: waiting, claimed, overdue, age of the oldest waiting ticket in ms.

--@include _ticket

local _, now = clock()
local reply = {}
for _, name in ipairs(ARGV) do
  local queue = prefix .. 'queue:' .. name
  local oldest = redis.call('ZRANGE', prefix .. 'opened:' .. name, 0, 0, 'WITHSCORES')[2]
  reply[#reply + 1] = redis.call('ZCARD', queue)
  reply[#reply + 1] = redis.call('ZCARD', prefix .. 'claims:' .. name)
  reply[#reply + 1] = redis.call('ZCOUNT', queue, '-inf', '(' .. now)
  reply[#reply + 1] = oldest and math.max(0, now - oldest) or 0
end
return reply
