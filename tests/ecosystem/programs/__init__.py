"""How each of the programs is started: what its console script does, and its hardware by a stand-in."""
