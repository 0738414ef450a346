"""DICOM: reading, judging, writing anew without the participant, and scanning what was written.

pydicom's warnings and log lines quote the values that they complain about, so importing this
package silences them; a value that doesn't fit is counted and removed instead.
"""

import logging
import warnings

from pydicom import config

config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").disabled = True
warnings.filterwarnings("ignore", module=r"pydicom\b")
