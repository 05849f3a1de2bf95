"""Sections of the page, one file each: a function from the record to what its template shows."""
