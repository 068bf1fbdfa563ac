-- A program that supervises its own helpers: a process and a function on a thread, restarted when they fail.
--
--     lua5.4 shop.lua
local suptree = require "suptree"

local crashes = 0
local shop
shop = suptree.new("shop", {
  failure_threshold = 5, failure_backoff = "2s",
  log = print,
  on_event = function(event)
    if event.type == "failed" then crashes = crashes + 1 end
    if crashes == 4 then shop:stop("seen enough") end
  end,
})

assert(shop:add(suptree.process "flaky" { command = "sleep 0.05; exit 3" }))
assert(shop:add(suptree.thread "worker" {
  run = function(ctx)
    ctx:sleep(0.05)
    error "out of luck"
  end,
}))

assert(shop:serve("a demonstration"))
print(shop, "has stopped")
