"""Our client and its peers side by side; `make bench` runs it (see ``benchmarks/README.md``)."""
