-- Whether the queue is as wanted by ARGV[3], which is '=' and a version, or '': 1, 0 when it is missing or
-- -1 when it has another version.
local function as_wanted()
  local version = call('HGET', QUEUE, 'version')
  if not version then return 0 end
  return (ARGV[3] == '' or ARGV[3] == '=' .. version) and 1 or -1
end
