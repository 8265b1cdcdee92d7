#!lua
-- begin_epoch: declares the brand's state valid; an epoch that stands is kept.
--
-- Keys:      KEYS[1] sf:{brand}:epoch; token is derived from it.
-- Arguments: ARGV[1] name of the new epoch.
-- Reads:     epoch.
-- Writes:    epoch, token. Tokens begin at the clock's ms, so that after a loss of data no token is given out again.
-- Returns:   the epoch.

local epoch = redis.call('GET', KEYS[1])
if epoch then
  return epoch
end
local time = redis.call('TIME')
redis.call('SET', string.sub(KEYS[1], 1, -6) .. 'token', time[1] .. string.format('%03d', math.floor(time[2] / 1000)))
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
