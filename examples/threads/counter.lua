-- A module that returns the function of a thread service.
return function(ctx)
    local count = 0
    while ctx:sleep(ctx.args.every) do
        count = count + 1
        ctx:log("counted to", count)
    end
    ctx:log("asked to stop at", count)
end
