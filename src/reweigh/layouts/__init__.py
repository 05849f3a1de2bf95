"""One file a data set form -> catalog: the table LAYOUTS."""
