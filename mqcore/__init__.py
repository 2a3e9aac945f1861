"""mqcore: message queues and notifications over storage that already runs."""
