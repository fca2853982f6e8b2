"""Networks as chains of named blocks that can be cut anywhere."""
