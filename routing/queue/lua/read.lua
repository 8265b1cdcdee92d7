#!lua flags=no-writes
-- read: one whole ticket.
--
-- Keys:      KEYS[1] sf:{brand}:epoch; the others are derived, see _ticket.lua.
-- Arguments: ARGV[1] ticket id.
-- Reads:     ticket:<id>.
-- Writes:    nothing.
-- Returns:   {0, id, ticket} or {-1}.

--@include _ticket

if redis.call('EXISTS', prefix .. 'ticket:' .. ARGV[1]) == 0 then
  return {NOT_FOUND}
end
return done(ARGV[1])
