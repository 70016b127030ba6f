# For other extensions only.
