-- What a client asks before it opens a file: four properties of one resource.
package.path = package.path .. ";" .. os.getenv("BENCH_LUA") .. "/?.lua"
done = require("tally").done

wrk.method = "PROPFIND"
wrk.headers["Depth"] = "0"
wrk.headers["Content-Type"] = "text/xml"
wrk.body = '<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop><D:getlastmodified/>'
  .. '<D:getcontentlength/><D:creationdate/><D:resourcetype/></D:prop></D:propfind>'
