"""The command ``featdyn``: options, and calls of the packages below."""
