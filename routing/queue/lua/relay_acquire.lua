#!lua flags=allow-oom
-- relay_acquire: the lease of the one active relay. Allowed when memory is full: the relay is what empties it.
--
-- Keys:      KEYS[1] sf:{brand}:relay, KEYS[2] sf:{brand}:relay:fence.
-- Arguments: ARGV[1] holder, ARGV[2] lease in ms.
-- Reads:     relay.
-- Writes:    relay, relay:fence.
-- Returns:   the fencing number, or 0 when another has the lease.

local owner = redis.call('GET', KEYS[1])
if owner == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return tonumber(redis.call('GET', KEYS[2]))
elseif owner then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return redis.call('INCR', KEYS[2])
