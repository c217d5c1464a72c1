-- integrations/rate.py as one step in Redis; both are compared over random sequences by a test.
-- KEYS: bucket, places, born. ARGV: interval, tolerance, guard, stale (all microseconds), caller, is_drained, now or ''.
local interval, tolerance, guard, stale = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local caller, is_drained, now = ARGV[5], ARGV[6] == '1', tonumber(ARGV[7])
if not now then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local function text(number) return string.format('%.0f', number) end

-- A memory that is new knows nothing of what was called before: it takes the bucket for drained.
local born = tonumber(redis.call('GET', KEYS[3]))
if not born then
    born = now
    redis.call('SET', KEYS[3], text(born))
end
local known = redis.call('HMGET', KEYS[1], 'due_at', 'free_at')
local stored_due_at = tonumber(known[1]) or (born + guard + tolerance)
local free_at = tonumber(known[2]) or 0
if is_drained then stored_due_at = math.max(stored_due_at, now + guard + tolerance) end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. text(now - stale))

local due_at = math.max(stored_due_at, now)
local place = tonumber(redis.call('ZSCORE', KEYS[2], caller))
local early = due_at - tolerance - now
local wait = 0
if place and place > now then
    wait = place - now
elseif early <= 0 and (place or free_at <= now) then
    redis.call('ZREM', KEYS[2], caller)
    stored_due_at = due_at + interval
elseif place and early <= interval then
    wait = early
else
    local at = math.max(free_at, now + math.max(early, 1))
    redis.call('ZADD', KEYS[2], text(at), caller)
    free_at = at + interval
    wait = at - now
end
redis.call('HSET', KEYS[1], 'due_at', text(stored_due_at), 'free_at', text(free_at))
local life = math.ceil((math.max(stored_due_at, free_at) - now + stale + guard + tolerance) / 1000)
redis.call('PEXPIRE', KEYS[1], life)
redis.call('PEXPIRE', KEYS[2], life)
return text(wait)
