-- Pieces of RANGE bytes anywhere in a file of SIZE bytes, as a player that seeks.
package.path = package.path .. ";" .. os.getenv("BENCH_LUA") .. "/?.lua"
done = require("tally").done

local size, range = tonumber(os.getenv("BENCH_SIZE")), tonumber(os.getenv("BENCH_RANGE"))
math.randomseed(1)

function request()
  local first = math.random(0, size - range)
  return wrk.format("GET", nil, { ["Range"] = string.format("bytes=%d-%d", first, first + range - 1) })
end
