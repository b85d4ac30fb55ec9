-- Shared end of every wrk script: one line that the bench reads. An answer that is not 2xx spoils the row.
local tally = {}

function tally.done(summary)
  local bad = summary.errors
  io.write(string.format("TALLY %d %d %d\n", summary.requests, summary.duration,
    bad.status + bad.connect + bad.read + bad.write + bad.timeout))
end

return tally
