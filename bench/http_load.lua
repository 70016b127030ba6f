-- What wrk sends, from the words after "--", and its figures as one line of JSON.
--
--   pipeline=N   so many requests at a time on each connection
--   method=NAME  size=BYTES  a body of so many bytes; or file=PATH, that file's; type=MEDIA/TYPE

function init(args)
   local option = {}
   for _, word in ipairs(args) do
      local name, value = word:match("^(%w+)=(.*)$")
      if name then option[name] = value end
   end
   wrk.method = option.method or "GET"
   if option.type then wrk.headers["Content-Type"] = option.type end
   if option.size then wrk.body = string.rep("x", tonumber(option.size)) end
   if option.file then
      local file = assert(io.open(option.file, "rb"))
      wrk.body = file:read("*a")
      file:close()
   end
   if tonumber(option.pipeline or 1) > 1 then
      -- Only a `request` of ours is asked for every time; without one wrk makes the text once.
      local text = string.rep(wrk.format(), tonumber(option.pipeline))
      request = function() return text end
   end
end

function done(summary, latency)
   local e = summary.errors
   print(string.format(
      'figures {"requests": %d, "seconds": %.6f, "p50": %.1f, "p99": %.1f, ' ..
      '"ended": %d, "errors": %d}',
      summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
      e.read, e.connect + e.write + e.status + e.timeout))
end
