"""The right to write to a run, which `lock` gives to one driver at a time."""

from lookahead_ray.store.files import Files


class Hold:
    """Writes of one driver to a run; this base class is for a run at a path, whose lock the system keeps.

    Attributes:
        lost: why this driver may not write any more; None while it may.
    """

    def __init__(self, run: str) -> None:
        self.files = Files(run, self._refuse)
        self.run = run
        self.lost: str | None = None

    def check(self) -> None:
        """Raise `StoreError` if another driver holds the run by now."""

    def table_suffix(self) -> str:
        """Return what distinguishes the table files of the next commit from those of other attempts."""
        return ""

    def supersedes(self, name: str) -> bool:
        """Return whether the table file `name` is of a driver that held the run before this one."""
        return False

    def settle(self) -> str | None:
        """Complete a commit whose last step failed; return the name of its file, None if there is none."""
        return None

    def commit(self, name: str, content: bytes) -> bool:
        """Create the commit file `name`, which makes its trial visible; return False if another exists."""
        return self.files.create(name, content)

    def keep(self, name: str, content: bytes) -> None:
        """Write a file about the run next to its tables, such as a log. Raises `StoreError` if it can't."""
        self.check()
        self.files.write(name, content)

    def _refuse(self) -> None:
        """Raise `StoreError` if no request may be made any more."""
