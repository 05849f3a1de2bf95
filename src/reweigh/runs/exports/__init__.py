"""`export`: a run's verdicts in files that other tools open and as a corrected copy of the data, and its model as a file."""
