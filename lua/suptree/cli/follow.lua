--- What logs and events share: what was, then what comes, also over the death of a host.
local client = require "suptree.client"
local common = require "suptree.cli.common"
local remote = require "suptree.cli.remote"

local follow = {}

local STANDARD_OUTPUT = 1

-- Asks for the stream and shows what the reply brings. Returns its id; nil and an error.
local function begin(connection, settings, again)
    local reply, err = connection:call(settings.method, settings.params(again))
    if not reply then return nil, err end
    settings.show_reply(reply)
    return reply.stream
end

-- Shows what the stream brings until it ends: nil, or the error that ended it.
local function show_stream(connection, id, settings)
    local stream = connection:stream(id)
    for method, params in stream do
        if method == "gap" then
            common.complain("%s", settings.lost(params))
        else
            settings.show(params)
        end
        if not io.stdout:flush() then return client.failure("unread", "nobody reads") end
    end
    return stream.error
end

--- Shows what the reply to settings.method brings; with settings.is_following also what comes, until the tree ends or
-- nobody reads. `settings`: arguments, method, params(again), show_reply(reply), show(params), lost(gap), which has the
-- words for a gap.
function follow.run(settings)
    local again = false
    while true do
        local connection, err = client.connect(remote.wanted(settings.arguments))
        local id
        if connection then
            connection:watch(STANDARD_OUTPUT)
            id, err = begin(connection, settings, again)
        end
        if err then
            local has_ended = again and (err.code == "no_host" or err.code == "closed")
            if has_ended then return common.DONE end
            return remote.fail(err)
        end
        io.stdout:flush()
        if not settings.is_following or not id then return common.DONE end
        err = show_stream(connection, id, settings)
        connection:close()
        if not err then return common.DONE end
        if err.code ~= "closed" then return remote.fail(err) end
        again = true
    end
end

return follow
