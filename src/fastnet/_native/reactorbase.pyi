# Its functions are for other extensions.
