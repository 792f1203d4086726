"""The client's logic, once and without I/O: shells own the sockets, the clock and the event loop."""
