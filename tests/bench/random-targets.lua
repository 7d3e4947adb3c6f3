-- Random targets of a file with one on each line, the same sequence for every server.
local requests = {}

function init(arguments)
  for target in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("GET", target)
  end
  math.randomseed(7)
end

function request()
  return requests[math.random(#requests)]
end

function done(summary, latency, all)
  local errors = summary.errors
  io.write(string.format("bench: %d %d %d %d\n", summary.requests, summary.bytes, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
