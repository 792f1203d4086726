"""A file that is replaced as a whole, with older copies beside it."""

from __future__ import annotations

import contextlib
import logging
import os
from datetime import date, datetime, timedelta
from pathlib import Path

__all__ = ["RotatingFileManager", "write_durably"]

# That of the module which makes this class public.
MODULE_LOGGER = logging.getLogger("caproto.server.autosave")


class RotatingFileManager:
    """Keeps a file and some of its older versions.

    The older versions stand beside it with the time at which they were replaced in their name, for example
    ``autosave_20260131-235959.json``. The file itself is always a complete one, old or new, whenever the machine fails.

    Parameters
    ----------
    filename : str or pathlib.Path
        The file.
    max_files_per_day : int, optional
        How many versions of one day to keep; the latest ones.
    max_file_age : int, optional
        In days. Versions that are older are removed.
    date_suffix : str, optional
        Between the stem and the extension of the file's name, as for `datetime.datetime.strftime`.
    logger : logging.Logger, optional

    Attributes
    ----------
    filename : pathlib.Path
    log : logging.Logger
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        *,
        max_files_per_day: int = 5,
        max_file_age: int = 30,
        date_suffix: str = "_%Y%m%d-%H%M%S",
        logger: logging.Logger = MODULE_LOGGER,
    ) -> None:
        self.filename: Path = Path(filename)
        self.max_files_per_day = max_files_per_day
        self.max_file_age = max_file_age
        self.date_suffix = date_suffix
        self.log = logger
        stem, extension = (part.replace("%", "%%") for part in (self._stem, self._extension))
        self._date_format = f"{stem}{date_suffix}{extension}"

    @property
    def _stem(self) -> str:
        return self.filename.stem

    @property
    def _extension(self) -> str:
        return self.filename.suffix

    @property
    def directory(self) -> Path:
        """Where the file and its older versions are."""
        return self.filename.parent

    @property
    def glob_string(self) -> str:
        """Pattern of the names of the older versions, and perhaps of other files."""
        return f"{self._stem}*{self._extension}"

    @property
    def files(self) -> dict[Path, datetime]:
        """The older versions that are there, and when each was replaced; the latest first."""
        found: dict[Path, datetime] = {}
        for path in self.directory.glob(self.glob_string):
            with contextlib.suppress(ValueError):  # some other file of a similar name
                found[path] = datetime.strptime(path.name, self._date_format)  # noqa: DTZ007
        return dict(sorted(found.items(), key=lambda item: item[1], reverse=True))

    @property
    def files_by_age(self) -> dict[float, Path]:
        """The older versions by their age in days; the latest first."""
        now = _now()
        return {(now - time) / timedelta(days=1): path for path, time in self.files.items()}

    def prune_files(self) -> set[Path]:
        """Remove what is too old, then what is too much for one day.

        Returns
        -------
        set of pathlib.Path
            What was removed.
        """
        oldest = _now() - timedelta(days=self.max_file_age)
        kept: dict[date, int] = {}
        removed: set[Path] = set()
        for path, time in self.files.items():
            day = time.date()
            if time >= oldest and kept.get(day, 0) < self.max_files_per_day:
                kept[day] = kept.get(day, 0) + 1
                continue
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                self.log.warning("Cannot remove the old file %s: %s", path, error)
            else:
                removed.add(path)
        return removed

    def rotate_in_file(self, fn: Path) -> set[Path]:
        """Let a finished file, on the same file system, take the place of the current one.

        Parameters
        ----------
        fn : pathlib.Path
            It is moved.

        Returns
        -------
        set of pathlib.Path
            Older versions that were removed.

        Raises
        ------
        OSError
            If it cannot be moved; the current file is still there then.
        """
        if self.filename.exists():
            self._keep_a_copy(self.directory / _now().strftime(self._date_format))
        os.replace(fn, self.filename)
        _make_durable(self.directory)
        return self.prune_files()

    def _keep_a_copy(self, older: Path) -> None:
        """Give the current file a second name, so that there is no moment without it."""
        try:
            older.unlink(missing_ok=True)
            os.link(self.filename, older)
        except OSError:  # a file system without hard links
            try:
                older.write_bytes(self.filename.read_bytes())
            except OSError as error:
                self.log.warning("Cannot keep the older version %s: %s", older, error)


def _now() -> datetime:
    """The time by the clock on the wall: names of files are for people."""
    return datetime.now()  # noqa: DTZ005


def write_durably(path: Path, text: str) -> None:
    """Write a file, and return when it is on the disk."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _make_durable(directory: Path) -> None:
    """Let a renaming survive a power failure, where the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
