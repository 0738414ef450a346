"""Text burned into pixels: how likely it is, where it is, and an object without it.

:func:`assess` decides from the header whether pixels need to be read; :func:`clean` reads them,
blanks what it finds and holds back what it is not sure of. What was read is never kept, logged or
reported: a finding is a box.
"""

from sluice.dicom.burned_in.clean import Cleaned, clean
from sluice.dicom.burned_in.find import Box
from sluice.dicom.burned_in.risk import Risk, assess

__all__ = ["Box", "Cleaned", "Risk", "assess", "clean"]
