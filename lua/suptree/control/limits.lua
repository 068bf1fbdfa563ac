--- The bounds of the control protocol. Sizes in bytes, times in seconds.
return {
    message = 1024 * 1024, -- of one request
    output = 256 * 1024, -- that a client has not read, before he is read no further
    calls = 64, -- of one client that wait for their reply
    streams = 16, -- of one client
    connections = 256, -- in all
    per_user = 64, -- connections of one user
    first = 30, -- until the first whole request
    idle = 600, -- between requests, with nothing under way
    farewell = 5, -- to take the last reply
}
