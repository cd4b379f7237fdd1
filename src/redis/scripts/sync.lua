-- One user: takes over what a node knows, settles what is due, and tells the
-- change, if there is one, once.  docs/redis.md describes keys and fields.
--
-- KEYS: the user's hash, the sorted set "online", the stream "changes"
-- ARGV: node, revision that the node has, flags, "idle retention margin
--       length misses slack wait", reason, age of "since", manual status,
--       milliseconds to its end, groups, text, meta, dead nodes, user; then
--       for each session of that node its id and "sign left active beat step
--       missed leaving doc seq cause fresh": ages, and the time left,
--       milliseconds; why beats are missing, or "-".  "fresh" is 1 of what was
--       heard just now, 2 of the session that said "logout", which is not there
--       any more, 3 of one that the node takes for another's, of which it says
--       no more, and 4 of what was heard just now with a beat, when the one
--       before is asked for
--
-- "wait" are milliseconds in which other nodes may not be back yet.
--
-- Answer: time, revision before and after, what was asked for, and maybe the
--         record

local MANUAL, NOTE, GROUPS, ALL, LOOK, EXTEND = 1, 2, 4, 8, 16, 32
local DAY = 86400000

-- The time of a sign of life differs by so much from one call to the next.

local SLIGHT = 100

local user, online, changes = KEYS[1], KEYS[2], KEYS[3]
local node, base, flags = ARGV[1], ARGV[2], tonumber(ARGV[3])

local function has(flag) return flags % (2 * flag) >= flag end
local function int(x) return string.format('%.0f', x) end

local function words(s)
    local list = {}
    for word in string.gmatch(s, '%S+') do
        list[#list + 1] = tonumber(word) or word
    end
    return list
end

local policy = words(ARGV[4])
local idle, retention, margin, length, misses, slack, wait = unpack(policy)

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

-- What is there.  A session: node, deadline, sign, active, beat, step, missed,
-- leaving, doc, seq; and the node that heard the beat, if it is another one.

local NODE, DEADLINE, SIGN, ACTIVE, BEAT, STEP, MISSED, LEAVING, DOC, SEQ, BY
    = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11

local function unpacked(line)
    local s = {}
    for word in string.gmatch(line, '%S+') do s[#s + 1] = word end
    for k = 2, 10 do s[k] = tonumber(s[k]) end
    return s
end

local function pack(s)
    local list = { s[1] }
    for k = 2, 10 do list[k] = int(s[k]) end
    list[11] = s[11]
    return table.concat(list, ' ')
end

local all = redis.call('HGETALL', user)
local fields, sessions = {}, {}

for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 's:' then
        sessions[string.sub(all[i], 3)] = unpacked(all[i + 1])
    else
        fields[all[i]] = all[i + 1]
    end
end

local isnew = #all == 0
local prior = fields.rev or '0'

-- A server that took over may lack what the one before has told this node:
-- then what the node says of a user whom it hears stands.

local known = tonumber(base)
local distance = (known - tonumber(prior)) % 2^32
local hears = false

for i = 15, #ARGV, 2 do
    hears = hears or string.find(ARGV[i], ' [014]$') ~= nil
end

local ahead = known > 0 and (prior == '0' or (distance > 0 and distance < 2^31))
local speaks = isnew or (ahead and hears)

if isnew and not hears then
    return { int(now), prior, prior, '' }
end

local put, ended, removed, missing = {}, {}, {}, {}
local lost, why, cause = nil, nil, nil
local out = fields.out
local changed = speaks and not isnew

local gone = tonumber(fields.gone or 0)

local function finish(id, reason, sign, because)
    local s = sessions[id]
    if s then
        sign = math.max(sign, s[SIGN])
        sessions[id] = nil
        removed[#removed + 1] = 's:' .. id
    end
    gone = math.max(gone, reason == 'missed' and sign or now)
    changed = true
    why = reason
    if reason == 'missed' then cause = because or 'unknown' end
    if reason == 'missed' and id ~= '' and s then
        s[LEAVING] = 2
        lost = id .. ' ' .. pack(s)
        missing[#missing + 1] = lost
    end
    ended[#ended + 1] = id .. ' ' .. int(sign)
end

-- Of a beat that was sent before a logout, and comes here after it: the session
-- that said so has a number in its document, and the next page has another one;
-- of other sessions the time decides.  A node's own words come in their order.

local out_node, out_time, out_id, out_doc, out_seq
    = string.match(fields.out or '', '^(%S+) (%S+) (%S*) (%S+) (%S+)$')

local function is_before_logout(id, f, sign)
    if not out_node or now - out_time > slack + SLIGHT then return false end
    if id == out_id then
        if f[8] ~= tonumber(out_doc) then return false end
        if f[9] >= 0 and tonumber(out_seq) >= 0 then
            return f[9] <= tonumber(out_seq)
        end
    end
    return node ~= out_node and sign <= tonumber(out_time) + SLIGHT
end

local function due(s) return s[LEAVING] == 1 and 'leave' or 'missed' end

-- What the node says.  Who heard a session last owns it; the latest beat counts,
-- whoever heard that.

local mine, behind, returned = {}, false, false
local before, lost_id = {}, fields.lost and string.match(fields.lost, '^%S+')

local function latest(s, cur)
    if not cur or cur[NODE] == node or cur[BEAT] <= s[BEAT] + SLIGHT then
        return s
    end
    s[BEAT], s[STEP], s[DOC], s[SEQ] = cur[BEAT], cur[STEP], cur[DOC], cur[SEQ]
    s[BY] = cur[BY] or cur[NODE]
    if s[LEAVING] == 0 then
        s[DEADLINE] = math.max(s[DEADLINE], s[SIGN] + misses * s[STEP] + slack)
    end
    behind = true
    return s
end

for i = 14, #ARGV, 2 do
    local id, f = ARGV[i], words(ARGV[i + 1])
    local cur, sign = sessions[id], now - f[1]
    local fresh = f[11] == 1 or f[11] == 4

    if f[11] == 4 and cur then
        before[#before + 1] = id .. ' ' .. pack(cur)
    elseif f[11] == 4 and id == lost_id then
        before[#before + 1] = fields.lost
    end

    mine[id] = f[11] ~= 2 or nil

    if not mine[id] then
        out = table.concat({ node, int(now), id, int(f[8]), int(f[9]) }, ' ')
    elseif f[11] == 3 then
        behind = behind or (cur ~= nil and cur[NODE] == node)
    elseif not cur and (fresh and is_before_logout(id, f, sign)
                        or not fresh and sign <= gone + SLIGHT)
    then
        ended[#ended + 1] = id .. ' ' .. int(gone)
    elseif cur and cur[NODE] ~= node and cur[SIGN] > sign then
        cur[ACTIVE] = math.max(cur[ACTIVE], now - f[3])
        put[id] = cur
    else
        local s = latest({ node, now + f[2], sign, now - f[3], now - f[4],
                           f[5], f[6], f[7], f[8], f[9] }, cur)
        if cur then
            s[ACTIVE] = math.max(cur[ACTIVE], s[ACTIVE])
        elseif s[DEADLINE] > now then
            changed = true
            why = why or ARGV[5]
            returned = returned or id == lost_id
        end
        if f[10] ~= '-' then cause = cause or f[10] end
        sessions[id] = s
        if s[DEADLINE] <= now then
            finish(id, f[7] == 1 and 'leave' or 'missed', sign, f[10])
        else
            put[id] = s
        end
    end
end

-- What this node has ended, and what no node looks after any more.

local dead = {}

for name in string.gmatch(ARGV[12], '[^,]+') do dead[name] = true end

for id, s in pairs(sessions) do
    if not mine[id] and (has(ALL) or s[NODE] == node) then
        finish(id, ARGV[5], 0)
    elseif dead[s[NODE]] then
        s[NODE] = node
        if has(EXTEND) then
            s[DEADLINE] = now + misses * s[STEP] + slack
            s[SIGN] = now
            s[MISSED] = 0
        elseif wait > 0 then
            s[DEADLINE] = math.max(s[DEADLINE],
                                   now + math.min(wait, misses * s[STEP] + slack))
        end
        if s[DEADLINE] <= now then
            finish(id, due(s), 0)
        else
            put[id] = s
        end
    elseif s[NODE] ~= node and s[DEADLINE] + margin < now and wait == 0 then
        finish(id, due(s), 0)
    end
end

-- The user: as present as the most present session.

local count, staying, missed = 0, 0, 0
local deadline, active, seen = 0, 0, 0

for id, s in pairs(sessions) do
    local stays = s[LEAVING] == 0
    local n = id == '' and 0 or s[MISSED]
    if count == 0 or (staying == 0 and stays)
        or ((staying == 0 or stays) and n < missed)
    then
        missed = n
    end
    deadline = math.max(deadline, s[DEADLINE])
    active = math.max(active, s[ACTIVE])
    seen = math.max(seen, s[SIGN])
    count = count + 1
    if stays then staying = staying + 1 end
end

local manual = fields.manual or 'offline'
local untilt = tonumber(fields['until'] or 0)
local said = false

if has(MANUAL) or speaks then
    local left = tonumber(ARGV[8])
    said = manual ~= ARGV[7]
    manual = ARGV[7]
    untilt = left > 0 and now + left or 0
    if said then why = why or 'manual' end
end

if untilt > 0 and now >= untilt then
    manual, untilt, why = 'offline', 0, why or 'manual'
end

local text, meta, groups = fields.text or '', fields.meta or '',
                           fields.groups or ''
local new_text = (has(NOTE) or speaks) and ARGV[10] or text
local new_meta = (has(NOTE) or speaks) and ARGV[11] or meta
local new_groups = (has(GROUPS) or speaks) and ARGV[9] or groups
local news = new_text ~= text or new_meta ~= meta or new_groups ~= groups

local status

if count == 0 then
    status = 'offline'
elseif manual ~= 'offline' then
    status = manual
elseif now - active >= idle then
    status = 'away'
else
    status = 'online'
end

local shown = status == 'invisible' and 'offline' or status
local was = fields.status or 'offline'

if count > 0 then
    fields.active = int(math.max(active, tonumber(fields.active or 0)))
    fields.seen = int(math.max(seen, tonumber(fields.seen or 0)))
else
    missed = why == 'missed' and math.max(tonumber(fields.missed or 0), 1) or 0
end

local what = nil

if was ~= shown then
    what = was == 'offline' and 'enter' or shown == 'offline' and 'leave'
           or 'update'
elseif shown ~= 'offline' and (news or missed ~= tonumber(fields.missed or 0))
then
    what = 'update'
elseif changed or said or news then
    what = 'session'
end

-- Where nothing is new the node may lag behind: it learns why things are as they
-- are.

local rev, reason = prior, fields.reason or ARGV[5]

if what then

    reason = why or ARGV[5]

    if what == 'enter' then
        reason = ARGV[5]
        if lost_id and sessions[lost_id] then
            reason = 'recovered'
        end
    elseif shown == 'away' and was == 'online' and manual == 'offline' then
        reason = 'idle'
    elseif was == 'away' and shown == 'online' and not said then
        reason = 'activity'
    elseif what == 'update' and was == shown and not news then
        reason = missed > 0 and 'missed' or ARGV[5]
    end

    if was ~= shown then
        fields.since = int(isnew and now - math.max(tonumber(ARGV[6]), 0)
                           or now)
    end

    if what ~= 'session' then
        fields.reason = reason
        fields.cause = reason == 'missed' and (cause or 'unknown') or ''
    end

    -- follows the clock, so that it goes on when the hash was forgotten

    local n = math.floor(now / 64) % 2^32
    local last = ahead and known or tonumber(prior)
    if last > 0 then n = math.max(last + 1, n) % 2^32 end
    rev = int(math.max(n, 1))
end

fields.since = fields.since or int(now)
fields.reason = fields.reason or ARGV[5]

local pairs_ = { 'v', '1', 'user', ARGV[13], 'rev', rev, 'status', shown,
                 'since', fields.since, 'reason', fields.reason,
                 'missed', int(missed), 'manual', manual,
                 'until', int(untilt), 'groups', new_groups,
                 'text', new_text, 'meta', new_meta, 'sessions', int(count),
                 'active', fields.active or '0', 'seen', fields.seen or '0',
                 'deadline', int(deadline), 'gone', int(gone) }

if what and what ~= 'session' then
    pairs_[#pairs_ + 1] = 'cause'
    pairs_[#pairs_ + 1] = fields.cause
end

for id, s in pairs(put) do
    if sessions[id] then
        pairs_[#pairs_ + 1] = 's:' .. id
        pairs_[#pairs_ + 1] = pack(s)
    end
end

if out then
    pairs_[#pairs_ + 1] = 'out'
    pairs_[#pairs_ + 1] = out
end

if lost then
    pairs_[#pairs_ + 1] = 'lost'
    pairs_[#pairs_ + 1] = lost
elseif what == 'enter' or returned then
    removed[#removed + 1] = 'lost'
end

-- The first write is one that a full Redis refuses: then nothing is changed.

for i = 1, #pairs_, 1000 do
    redis.call('HSET', user, unpack(pairs_, i, math.min(i + 999, #pairs_)))
end

for i = 1, #removed, 1000 do
    redis.call('HDEL', user, unpack(removed, i, math.min(i + 999, #removed)))
end

if count == 0 and retention == 0 then
    redis.call('DEL', user)
else
    redis.call('PEXPIRE', user,
               count > 0 and int(deadline - now + margin) or int(retention))
end

if shown == 'offline' then
    redis.call('ZREM', online, ARGV[13])
else
    redis.call('ZADD', online, int(deadline), ARGV[13])
    redis.call('PEXPIRE', online, int(DAY + deadline - now))
end

-- The record, as an entry and as an answer.

local ends = #ended > 0 and table.concat(ended, '\n') .. '\n' or ''
local answer = { int(now), prior, rev, table.concat(before, '\n') }

local news_to_it = behind or has(LOOK) or has(ALL) or prior ~= base
                   or #ended > 0

if what or news_to_it then
    local lines = {}

    for id, s in pairs(sessions) do
        lines[#lines + 1] = id .. ' ' .. pack(s)
    end

    local record = { 'v', '1', 'type', what or 'none', 'user', ARGV[13],
                     'node', node, 'rev', rev, 'status', shown, 'was', was,
                     'since', fields.since, 'reason', reason,
                     'cause', reason == 'missed' and (cause or fields.cause)
                              or '',
                     'missed', int(missed),
                     'active', fields.active or '0',
                     'seen', fields.seen or '0', 'manual', manual,
                     'until', int(untilt), 'groups', new_groups,
                     'text', new_text, 'meta', new_meta,
                     'sessions', table.concat(lines, '\n'), 'ended', ends,
                     'lost', table.concat(missing, '\n'), 'out', out or '' }

    if what then
        redis.call('XADD', changes, 'MAXLEN', '~', int(length), '*',
                   unpack(record))
        redis.call('PEXPIRE', changes, int(DAY + margin))
    end

    if news_to_it then answer[5] = record end
end

return answer
