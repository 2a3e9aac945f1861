"""The Redis driver: standalone, Sentinel and Cluster; Redis 6.2 and later, and Valkey."""
