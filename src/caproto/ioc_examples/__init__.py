"""IOCs to run and to learn from: ``python3 -m caproto.ioc_examples.random_walk --list-pvs``.

``dt: Final = pvproperty(...)`` tells programs that import these classes that the type is the one that type checkers find
out, as a library has to. In a program of your own, ``dt = pvproperty(...)`` does.
"""
