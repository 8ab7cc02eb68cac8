"""Work on pixels and masks that several nodes share. No nodes here: the registry reads modules, not packages."""
