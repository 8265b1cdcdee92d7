#!lua flags=allow-oom
-- relay_release: the active relay gives its lease up. Allowed when memory is full, see relay_acquire.lua.
--
-- Keys:      KEYS[1] sf:{brand}:relay.
-- Arguments: ARGV[1] holder.
-- Reads:     relay.
-- Writes:    relay.
-- Returns:   1, or 0 when the holder had it no more.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
