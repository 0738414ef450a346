"""The one family of exceptions that a user may see."""


class SluiceError(Exception):
    """A failure that the user can mend, told in one sentence.

    Parameters
    ----------
    what
        What is wrong, without any value from the data.
    where
        File role, ordinal, row, column, key or tag; never a value of a cell.
    mend
        What to do about it.
    """

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        self.what, self.where, self.mend = what, where, mend
        super().__init__(self.sentence())

    def sentence(self) -> str:
        """Return the one sentence that is printed."""
        place = f" ({self.where})" if self.where else ""
        hint = f"; {self.mend}" if self.mend else ""
        return f"{self.what}{place}{hint}."
