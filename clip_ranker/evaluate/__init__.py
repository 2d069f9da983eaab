"""Does it rank right, and how sure is that: data sets, measures with intervals, calibration."""
