"""The MongoDB driver: replica sets, sharded clusters, standalone servers; MongoDB 4.4 or later."""
