"""One configuration in, one record out."""
