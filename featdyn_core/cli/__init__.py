"""The command ``featdyn``: it reads options and calls the packages below."""
