-- A node is alive: says so, and gets the time and who else is.
--
-- KEYS: the sorted set "nodes", the node's own key
-- ARGV: node, milliseconds that its word is good for

local DAY = 86400000

local function int(x) return string.format('%.0f', x) end

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

redis.call('SET', KEYS[2], int(now), 'PX', ARGV[2])
redis.call('ZADD', KEYS[1], int(now + tonumber(ARGV[2])), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', int(now - DAY))
redis.call('PEXPIRE', KEYS[1], int(2 * DAY))

return { int(now), redis.call('ZRANGEBYSCORE', KEYS[1], int(now), '+inf') }
