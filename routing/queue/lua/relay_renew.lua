#!lua flags=allow-oom
-- relay_renew: the lease of the active relay runs from now again. Allowed when memory is full, see relay_acquire.lua.
--
-- Keys:      KEYS[1] sf:{brand}:relay.
-- Arguments: ARGV[1] holder, ARGV[2] lease in ms.
-- Reads:     relay.
-- Writes:    relay.
-- Returns:   1, or 0 when the holder has it no more.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
