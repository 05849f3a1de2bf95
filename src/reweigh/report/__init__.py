"""Records and tables -> one self-contained HTML page. Knows nothing of run folders."""
