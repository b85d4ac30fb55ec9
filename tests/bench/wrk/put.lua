-- A new name and new bytes with every request: nothing to deduplicate, nothing to overwrite.
package.path = package.path .. ";" .. os.getenv("BENCH_LUA") .. "/?.lua"
done = require("tally").done

local size, run = tonumber(os.getenv("BENCH_SIZE")), os.getenv("BENCH_RUN")
local filler = string.rep("0123456789abcdef", math.floor(size / 16))
local count = 0

function request()
  count = count + 1
  local mark = string.format("%s-%08d-", run, count)
  return wrk.format("PUT", wrk.path .. mark .. ".bin", nil, mark .. filler:sub(#mark + 1))
end
