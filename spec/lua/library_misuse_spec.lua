-- What is given wrongly raises, at the caller, with words that say what was wanted; what can be expected to fail
-- returns nil and an error value.
local library = require "spec.support.library"
local suptree = require "suptree"

local function raises(pattern, f, ...)
    local good, message = pcall(f, ...)
    assert.is_false(good)
    assert.matches(pattern, message)
    assert.matches("^%S*library_misuse_spec%.lua:%d+: ", message) -- where the caller stands
end

-- Calls in a frame of its own, so that there is a caller to blame.
local function call(sup, verb, ...)
    local results = table.pack(sup[verb](sup, ...))
    return table.unpack(results, 1, results.n)
end

describe("misuse raises, and says what was wanted:", function()
    after_each(library.close)

    local texts = { 5, true, {}, print }

    it("a name that is no text, or not a legal one", function()
        for _, name in ipairs(texts) do
            raises("new: the name must be a text, not ", function() suptree.new(name) end)
        end
        raises("new: the name must be a text, not nothing", function() suptree.new() end)
        for _, name in ipairs { "", "no name", "a/b", "..", "x\0y", ("x"):rep(129) } do
            raises("name", function() suptree.new(name) end)
        end
    end)

    it("options that are no table, unknown, or of a wrong type", function()
        for _, options in ipairs { 5, "x", true, print } do
            raises("new: the options must be a table, not ", function() suptree.new("shop", options) end)
        end
        raises('shop%.failure_treshold: unknown option, did you mean "failure_threshold"', function()
            suptree.new("shop", { failure_treshold = 3 })
        end)
        for option, wrong in pairs { failure_decay = "soon", failure_threshold = "many", failure_backoff = -1,
            timeout = {}, kill_timeout = true, strategy = "all", max_children = 1.5, backoff_jitter = "yes" } do
            raises("shop%." .. option .. ": ", function() suptree.new("shop", { [option] = wrong }) end)
        end
        raises("shop", function() suptree.new("shop", { failure_threshold = 0 / 0 }) end)
        raises("shop%.failure_decay", function() suptree.new("shop", { failure_decay = 0 }) end)
        raises("shop", function() suptree.new("shop", { [true] = 1 }) end)
        raises("shop%.restart", function() suptree.new("shop", { restart = "permanent" }) end) -- a root is no child
        raises("shop%.command", function() suptree.new("shop", { command = "x" }) end)
    end)

    it("several wrong options are told at once", function()
        local _, message = pcall(suptree.new, "shop", { timeout = "soon", failure_decay = {} })
        assert.matches("shop%.timeout", message)
        assert.matches("shop%.failure_decay", message)
    end)

    it("callbacks that cannot be called", function()
        for _, name in ipairs { "log", "on_event" } do
            for _, wrong in ipairs { 5, "print", {}, true } do
                raises(name .. ": must be a function, not ", function() suptree.new("shop", { [name] = wrong }) end)
            end
        end
        assert.is_table(library.new { log = setmetatable({}, { __call = function() end }) })
    end)

    it("children that are none", function()
        for _, wrong in ipairs { 5, "web", {}, print } do
            raises("new: a declaration or a supervisor is needed, not ", function() suptree.new("shop", { wrong }) end)
        end
        raises("web%.comand", function() suptree.new("shop", { suptree.process "web" { comand = "x" } }) end)
        raises("already", function() suptree.new("shop", { library.sleeper "web", library.sleeper "web" }) end)
    end)

    it("new_simple with more than a name", function()
        raises("new_simple: takes a name alone", function() suptree.new_simple("shop", {}) end)
        raises("new_simple: takes a name alone", function() suptree.new_simple("shop", nil) end)
        raises("name must be a text", function() suptree.new_simple(5) end)
    end)

    local verbs = { "add", "remove", "remove_and_wait", "serve", "serve_background", "services", "stop", "poll", "fd" }

    it("a verb without a supervisor in front", function()
        local sup = library.new()
        for _, verb in ipairs(verbs) do
            for _, wrong in ipairs { false, {}, "shop", 5 } do
                raises(verb .. ": write supervisor:" .. verb .. "%(…%), with a colon", function()
                    sup[verb](wrong)
                end)
            end
        end
        raises("add: write supervisor:add", function() sup.add() end)
    end)

    it("add of what is no declaration", function()
        local sup = library.new()
        for _, wrong in ipairs { 5, "web", {}, print, suptree.ErrStopped, suptree.process, suptree.process "web" } do
            raises("add: a declaration or a supervisor is needed, not ", call, sup, "add", wrong)
        end
        raises("add: a declaration or a supervisor is needed, not nothing", call, sup, "add")
        assert.are.same({}, sup:services())
    end)

    it("tokens that are none", function()
        local sup = library.new()
        for _, verb in ipairs { "remove", "remove_and_wait" } do
            for _, wrong in ipairs { 0, "web", {}, io.stdout, library.sleeper "web", sup } do
                raises(verb .. ": a token is needed, as add returned it, not ", call, sup, verb, wrong)
            end
            raises(verb .. ": a token is needed, as add returned it, not nothing", call, sup, verb)
        end
    end)

    it("times and contexts of a wrong type", function()
        local sup = library.new { library.sleeper "web" }
        local token = sup:services()[1].token
        for _, wrong in ipairs { "soon", {}, true, -1, 0 / 0, "-1s" } do
            raises("remove_and_wait: .* is not a time; write seconds or a text like \"10s\"", call, sup,
                "remove_and_wait", token, wrong)
            raises("poll: .* is not a time", call, sup, "poll", wrong)
        end
        for _, verb in ipairs { "serve", "serve_background", "stop" } do
            for _, wrong in ipairs { 5, {}, true } do
                raises(verb .. ": the context must be a text, not ", call, sup, verb, wrong)
            end
        end
        assert.are.equal("web stopped", library.states(sup)) -- nothing has happened to it
    end)
end)

describe("an error", function()
    after_each(library.close)

    local codes = {
        ErrWrongSupervisor = "wrong_supervisor", ErrTimeout = "timeout", ErrStopped = "stopped",
        ErrAlreadyServing = "already_serving", ErrNotRoot = "not_root", ErrDuplicateName = "duplicate_name",
        ErrCycle = "cycle", ErrNotFound = "not_found", ErrTooMany = "too_many", ErrInvalid = "invalid",
        ErrRefused = "refused", ErrGaveUp = "gave_up", ErrNoMemory = "no_memory",
    }

    it("has a code and a message, which is its text", function()
        for name, code in pairs(codes) do
            local err = suptree[name]
            assert.are.equal(code, err.code)
            assert.are.equal("string", type(err.message))
            assert.are.equal(err.message, tostring(err))
            assert.is_true(#err.message > 8)
        end
        assert.are.equal("wrong supervisor for this service token, no service removed",
            tostring(suptree.ErrWrongSupervisor))
    end)

    it("equals the constant of its code and no other, and nothing else", function()
        for name in pairs(codes) do
            for other in pairs(codes) do
                assert.are.equal(name == other, suptree[name] == suptree[other])
            end
            assert.is_false(suptree[name] == codes[name])
            assert.is_false(suptree[name] == nil)
        end
    end)

    it("comes with words about the case at hand, and equals the constant all the same", function()
        local sup = library.new { max_children = 1, library.sleeper "web" }
        local token, err = sup:add(library.sleeper "web")
        assert.is_nil(token)
        assert.is_true(err == suptree.ErrDuplicateName)
        assert.is_true(suptree.ErrDuplicateName == err)
        assert.is_false(err == suptree.ErrTooMany)
        assert.are_not.equal(tostring(suptree.ErrDuplicateName), tostring(err))
        assert.matches('"web"', tostring(err))
    end)

    it("of each kind comes from the verbs that it is meant for", function()
        local seen = {}
        local function expect(constant, value, err)
            assert.is_nil(value)
            assert.is_true(err == constant, tostring(err))
            seen[err.code] = true
        end
        local sup, other = library.new { max_children = 2, library.sleeper "web" }, library.new(nil, "other")
        local part = library.new(nil, "part")
        expect(suptree.ErrWrongSupervisor, other:remove(sup:services()[1].token))
        expect(suptree.ErrDuplicateName, sup:add(library.sleeper "web"))
        assert(sup:add(part))
        expect(suptree.ErrTooMany, sup:add(library.sleeper "third"))
        expect(suptree.ErrInvalid, sup:add(suptree.process "third" { command = 5 }))
        expect(suptree.ErrCycle, part:add(sup))
        expect(suptree.ErrNotRoot, part:serve_background())
        expect(suptree.ErrRefused, other:add(part))
        assert(sup:serve_background())
        expect(suptree.ErrAlreadyServing, sup:serve())
        expect(suptree.ErrDuplicateName, sup:add(library.sleeper "web"))
        expect(suptree.ErrTooMany, sup:add(library.sleeper "third"))
        expect(suptree.ErrCycle, part:add(sup))
        expect(suptree.ErrRefused, other:add(sup)) -- it serves as a root
        assert(part:add(library.deaf("deaf", { timeout = "infinity" })))
        local deaf = library.eventually(sup, function() return library.is_ready(part, "deaf") end)
        expect(suptree.ErrTimeout, part:remove_and_wait(deaf.token, "10ms"))
        os.execute("kill -9 " .. deaf.pid)
        assert.is_nil(sup:stop())
        expect(suptree.ErrStopped, sup:add(library.sleeper "late"))
        expect(suptree.ErrStopped, part:add(library.sleeper "late"))
        expect(suptree.ErrStopped, sup:serve())
        local limited = library.new({ failure_threshold = 0, on_threshold = "escalate",
            library.failer "bad" }, "limited")
        expect(suptree.ErrGaveUp, limited:serve())
        for _, code in ipairs { "not_found", "no_memory" } do seen[code] = true end -- of no verb here, and of no memory
        for _, code in pairs(codes) do assert.is_true(seen[code], code) end
    end)
end)
