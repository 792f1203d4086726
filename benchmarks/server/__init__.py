"""Our IOC beside the C IOC and the original caproto; `make bench-server` runs it (see ``benchmarks/README.md``)."""
