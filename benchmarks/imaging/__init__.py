"""De-identification of images, measured: planted identifiers, peers, speed.

Nothing here imports the cleaner or shares a table with it: it is run as a command, and what it
wrote is read back with pydicom and as bytes.
"""
