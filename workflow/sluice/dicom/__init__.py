"""DICOM: reading, judging, writing anew without the participant, and scanning what was written.

pydicom's warnings and log lines quote the values that they complain about, so importing this
package silences them.
"""

import logging
import warnings

logging.getLogger("pydicom").disabled = True
warnings.filterwarnings("ignore", module=r"pydicom\b")
