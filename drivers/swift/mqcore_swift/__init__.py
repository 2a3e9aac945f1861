"""mqcore on OpenStack Swift. See docs/swift.md."""
