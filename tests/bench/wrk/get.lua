-- The same file over and over: GET of what `wrk URL` names.
package.path = package.path .. ";" .. os.getenv("BENCH_LUA") .. "/?.lua"
done = require("tally").done
