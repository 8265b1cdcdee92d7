#!lua flags=no-writes
-- list: a stretch of a queue, each ticket with its opening and its latest mention, at one moment.
--
-- Keys:      KEYS[1] sf:{brand}:epoch; the others are derived, see _ticket.lua.
-- Arguments: ARGV[1] `queue` or `claims`, ARGV[2] department, ARGV[3] offset, ARGV[4] limit.
-- Reads:     queue: or claims:, ticket:<id>, ticket:<id>:mentions.
-- Writes:    nothing.
-- Returns:   {{0, id, ticket, mentions}, ...} in the order of the queue.

--@include _ticket

local offset = tonumber(ARGV[3])
local reply = {}
for _, id in ipairs(redis.call('ZRANGE', prefix .. ARGV[1] .. ':' .. ARGV[2], offset, offset + ARGV[4] - 1)) do
  local key = prefix .. 'ticket:' .. id
  local ends = redis.call('HMGET', key, 'first', 'latest')
  local mentions = {ends[1], redis.call('HGET', key .. ':mentions', ends[1])}
  if ends[2] ~= ends[1] then
    mentions[3], mentions[4] = ends[2], redis.call('HGET', key .. ':mentions', ends[2])
  end
  reply[#reply + 1] = {0, id, redis.call('HGETALL', key), mentions}
end
return reply
