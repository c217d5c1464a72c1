-- integrations/breaker.py as one step in Redis; both are compared over random sequences by a test.
-- KEYS: breaker. ARGV: what (acquire, record, give_back), window, min_calls, error_rate, slow_rate, open, probes,
-- generation, is_failed, is_slow, now or ''. All times are milliseconds. Gives wait, generation, state before and after.
local what, window, min_calls = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local error_rate, slow_rate, open = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local probes, generation = tonumber(ARGV[7]), tonumber(ARGV[8])
local is_failed, is_slow, now = ARGV[9] == '1', ARGV[10] == '1', tonumber(ARGV[11])
if not now then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local SLICES, PROBE_AGAIN = 10, 1000

local stored = redis.call('GET', KEYS[1])
local breaker = stored and cjson.decode(stored)
    or {state = 'closed', generation = 0, ['until'] = 0, given = 0, passed = 0, counts = {}}
local before, wait = breaker.state, 0
local function change(state, till)
    breaker = {
        state = state, generation = breaker.generation + 1, ['until'] = till, given = 0, passed = 0, counts = {}
    }
end

if what == 'acquire' then
    if breaker.state ~= 'closed' then
        if now < breaker['until'] then
            if breaker.state == 'half_open' and breaker.given < probes then
                breaker.given = breaker.given + 1
            else
                wait = breaker['until'] - now
                if breaker.state == 'half_open' then wait = math.min(PROBE_AGAIN, wait) end
            end
        else
            change('half_open', now + open)
            breaker.given = 1
        end
    end
elseif generation ~= breaker.generation then
    wait = 0
elseif what == 'give_back' then
    if breaker.state == 'half_open' and breaker.given > 0 then breaker.given = breaker.given - 1 end
elseif breaker.state == 'half_open' then
    if is_failed or (is_slow and slow_rate > 0) then
        change('open', now + open)
    elseif breaker.passed + 1 >= probes then
        change('closed', 0)
    else
        breaker.passed = breaker.passed + 1
    end
elseif breaker.state == 'closed' then
    local current = math.floor(now / math.max(1, math.floor(window / SLICES)))
    local calls, failed, slow = 0, 0, 0
    local counts = {}
    for number, tally in pairs(breaker.counts) do
        if tonumber(number) > current - SLICES then counts[number] = tally end
    end
    local name = string.format('%.0f', current)
    local mine = counts[name] or {0, 0, 0}
    counts[name] = {mine[1] + 1, mine[2] + (is_failed and 1 or 0), mine[3] + (is_slow and 1 or 0)}
    for _, tally in pairs(counts) do
        calls, failed, slow = calls + tally[1], failed + tally[2], slow + tally[3]
    end
    breaker.counts = counts
    if calls >= min_calls and ((error_rate > 0 and failed >= error_rate * calls)
        or (slow_rate > 0 and slow >= slow_rate * calls)) then
        change('open', now + open)
    end
end
if what ~= 'acquire' or breaker.state ~= 'closed' then
    redis.call('SET', KEYS[1], cjson.encode(breaker), 'PX', math.max(window, open) * 10 + 60000)
end
return {string.format('%.0f', wait), string.format('%.0f', breaker.generation), before, breaker.state}
