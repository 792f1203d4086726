"""Channel Access without I/O: bytes to messages, states and types, for both roles."""
