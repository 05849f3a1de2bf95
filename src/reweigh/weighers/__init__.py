"""From evidence to weights: the table WEIGHERS, one file a method, and the combiners. Has no way to `truth`."""
