-- ARGV: id.
remove(ARGV[3])
