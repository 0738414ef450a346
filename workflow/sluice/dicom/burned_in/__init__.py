"""Text burned into pixels: how likely it is, where it is, and an object without it.

:func:`assess` decides from the header whether pixels need to be read. :mod:`.screen` tells a
scanner's own frames from drawn ones at little cost. :mod:`.clean` reads frames, blanks what it
finds and holds back what it is not sure of; it loads two networks, so it is imported where it is
needed. What was read is never kept, logged or reported: a finding is a box.
"""

from sluice.dicom.burned_in.risk import Risk, assess

__all__ = ["Risk", "assess"]
