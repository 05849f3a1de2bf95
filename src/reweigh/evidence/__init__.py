"""What the data says about each label: the table EVIDENCE, one file a piece. Has no way to `truth`."""
