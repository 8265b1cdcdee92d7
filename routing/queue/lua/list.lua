#!lua flags=no-writes
-- list: a stretch of a queue, each ticket with its opening and its latest mention that is not deleted, at one moment.
--
-- Keys:      KEYS[1] sf:{brand}:epoch; the others are derived, see _ticket.lua.
-- Arguments: ARGV[1] `queue` or `claims`, ARGV[2] department, ARGV[3] offset, ARGV[4] limit, ARGV[5] hand-overs that a
--            ticket keeps.
-- Reads:     queue: or claims:, ticket:<id>.
-- Writes:    nothing.
-- Returns:   {{0, id, ticket}, ...} in the order of the queue.

--@include _ticket

local FIELDS = {'department', 'due', 'opened', 'thread', 'meta', 'classification', 'first', 'status', 'since', 'count',
  'live', 'latest', 'attempts', 'transfers', 'holder', 'token', 'until', 'outcome', 'resolved'}

local offset, kept = tonumber(ARGV[3]), tonumber(ARGV[5])
local reply = {}
for _, id in ipairs(redis.call('ZRANGE', prefix .. ARGV[1] .. ':' .. ARGV[2], offset, offset + ARGV[4] - 1)) do
  local key = prefix .. 'ticket:' .. id
  local ends = redis.call('HMGET', key, 'first', 'latest', 'transfers')
  local names = {unpack(FIELDS)}
  names[#names + 1] = 'm:' .. ends[1]
  if ends[2] and ends[2] ~= ends[1] then
    names[#names + 1] = 'm:' .. ends[2]
  end
  local transfers = tonumber(ends[3] or 0)
  for number = math.max(1, transfers - kept + 1), transfers do
    names[#names + 1] = 'h:' .. number
  end
  local pairs = {}
  for index, value in ipairs(redis.call('HMGET', key, unpack(names))) do
    if value then
      pairs[#pairs + 1] = names[index]
      pairs[#pairs + 1] = value
    end
  end
  reply[#reply + 1] = {0, id, pairs}
end
return reply
