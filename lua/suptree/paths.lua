--- Paths as text: joined, taken apart, never looked up.
local paths = {}

--- `path` made absolute relative to `folder`, without "/./" and "//". ".." stays: links may be on the way.
function paths.absolute(path, folder)
    if path:sub(1, 1) ~= "/" then path = folder .. "/" .. path end
    path = path:gsub("/+", "/")
    local count
    repeat path, count = path:gsub("/%./", "/") until count == 0
    path = path:gsub("/%.$", "/")
    return #path > 1 and path:gsub("/$", "") or path
end

--- The folder of a file as written: "" for a bare name, "a/" for "a/b", "/" for "/b".
function paths.folder(path)
    return path:match "^(.*/)" or ""
end

--- The last part of a path.
function paths.name(path)
    return path:match "([^/]*)$"
end

return paths
