"""Making the embedded seed model refuse: the alignment adapter."""
