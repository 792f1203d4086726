"""The server's logic, once and without I/O: shells own the sockets, the clock and the event loop.

===================== ============================================================================
`served`              what a PV must offer to be served, and what a shell must
`source`              the encoded forms of one PV's value, shared by all who ask, and its subscribers
`circuit`             one client: bytes in, bytes out
`channel`             one client's use of one PV, and the order of its slow requests
`reads`, `writes`, `monitors`  the requests about values
`limits`              what one client may take
`names`               PV name to PV
`filters`             channel filters: which updates reach a subscription
`search`              datagrams of searches to datagrams of replies
`beacons`             when the next beacon is due, and its bytes
===================== ============================================================================
"""
