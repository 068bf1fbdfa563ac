--- Times of systemd's OnCalendar as those of crontab, where both can say it. Pure text.
local NAMES = {
    minutely = "* * * * *", hourly = "@hourly", daily = "@daily", weekly = "0 0 * * 1", monthly = "@monthly",
    quarterly = "0 0 1 1,4,7,10 *", semiannually = "0 0 1 1,7 *", yearly = "@yearly", annually = "@yearly",
}

-- "0/15", "1..5", "9,17", "*": as a field of crontab; nil: it says something else.
local function field(text)
    local made = text:gsub("%.%.", "-"):gsub("%f[%d]0+(%d)", "%1"):gsub("^0/", "*/"):gsub(",0/", ",*/")
    if not made:find "^[%d*,/-]+$" then return nil end
    return made
end

local function weekdays(text)
    local made = text:lower():gsub("%.%.", "-"):gsub("(%a%a%a)%a*", "%1")
    return made:find "^%a%a%a[%a,-]*$" and made or nil
end

-- "03:30", "*:0/10:00" as minute and hour.
local function time(text)
    local hour, minute, second = text:match "^([^:]+):([^:]+):?([^:]*)$"
    if not hour or second ~= "" and not second:find "^0+$" then return nil end
    return field(minute), field(hour)
end

-- "*-*-01" or "12-24" as day and month.
local function date(text)
    local year, month, day = text:match "^([^-]+)%-([^-]+)%-([^-]+)$"
    if not year then year, month, day = "*", text:match "^([^-]+)%-([^-]+)$" end
    if year ~= "*" or not month then return nil end
    return field(day), field(month)
end

--- The same as `at` has it, or nil.
return function(text)
    if NAMES[text:lower()] then return NAMES[text:lower()] end
    local minute, hour, day, month, weekday = "0", "0", "*", "*", "*"
    for word in text:gmatch "%S+" do
        if word:find ":" then minute, hour = time(word)
        elseif word:find "%d%-" or word:find "%*%-" then day, month = date(word)
        else weekday = weekdays(word) end
        if not (minute and hour and day and month and weekday) then return nil end
    end
    -- Of days and weekdays crontab wants one to fit, systemd both.
    if day ~= "*" and weekday ~= "*" then return nil end
    return table.concat({ minute, hour, day, month, weekday }, " ")
end
