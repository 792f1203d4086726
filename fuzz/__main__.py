"""``python -m fuzz``: look for input that breaks a target.

With atheris it is guided by what the input reaches; without it, or with ``--quick``, the seeds are damaged at random.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import logging
import random
import subprocess
import sys
import time
import traceback
from pathlib import Path

from .targets import SEEDS, TARGETS

FOUND = Path(__file__).with_name("found")
CORPUS = Path(__file__).with_name("corpus")
_LONGEST = 4096


def damaged(rng: random.Random, seeds: list[bytes]) -> bytes:
    """Return seeds cut, joined and changed."""
    data = bytearray(b"".join(rng.choices(seeds, k=rng.choice((1, 1, 2, 5)))))
    for _ in range(rng.choice((0, 1, 2, 8))):
        place = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            data[place : place + 1] = rng.choice((b"\0", b"\xff", b"\x01", rng.randbytes(1)))
        elif kind == 1:
            del data[place : place + rng.randrange(20)]
        elif kind == 2:
            data[place:place] = rng.randbytes(rng.randrange(20))
        else:
            data[place : place + 4] = rng.choice((bytes(4), b"\xff" * 4, b"\0\0\xff\xff"))
    return bytes(data[:_LONGEST])


def at_random(name: str, seconds: float, seed: int) -> bool:
    """Damage the seeds of a target for some time; return whether it held."""
    target, seeds, rng = TARGETS[name], SEEDS[name], random.Random(seed)
    end, runs = time.monotonic() + seconds, 0
    known = sorted((FOUND / name).glob("*")) if (FOUND / name).is_dir() else []
    cases = [*seeds, *(path.read_bytes() for path in known)]
    while cases or time.monotonic() < end:
        data = cases.pop() if cases else damaged(rng, seeds)
        runs += 1
        try:
            target(data)
        except Exception:
            traceback.print_exc()
            folder = FOUND / name
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / hashlib.sha256(data).hexdigest()[:16]
            path.write_bytes(data)
            print(f"fuzz: {name} broke after {runs} inputs; this one is in {path}")
            return False
    print(f"fuzz: {name} held for {runs} inputs, damaged at random")
    return True


def guided(name: str, seconds: float) -> bool:
    """Let atheris look for trouble for some time, in a process of its own; return whether the target held."""
    corpus, found = CORPUS / name, FOUND / name
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed{number}").write_bytes(seed)
    command = [sys.executable, "-m", "fuzz.guided", name, str(corpus)]
    options = [f"-max_total_time={max(1, round(seconds))}", f"-max_len={_LONGEST}"]
    options += [f"-artifact_prefix={found}/", "-timeout=20", "-rss_limit_mb=2048", "-verbosity=0"]
    code = subprocess.run([*command, *options, "-print_final_stats=1"], check=False).returncode
    print(f"fuzz: {name} {'held' if code == 0 else f'broke; the input is in {found}'}, by atheris")
    return code == 0


def main() -> int:
    """Fuzz each target for its share of the time."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="in all [300]")
    parser.add_argument("--target", choices=TARGETS, action="append", help="all by default")
    parser.add_argument("--quick", action="store_true", help="damage the seeds at random")
    parser.add_argument("--seed", type=int, default=None, help="of the random damage")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    chosen = arguments.target or list(TARGETS)
    has_atheris = importlib.util.find_spec("atheris") is not None
    if not (has_atheris or arguments.quick):
        print(
            "fuzz: atheris is not installed (it has no wheel for every Python): damaging at random instead"
        )
    share = arguments.seconds / len(chosen)
    seed = (
        arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 32)
    )
    held = [
        guided(name, share) if has_atheris and not arguments.quick else at_random(name, share, seed)
        for name in chosen
    ]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
