"""What claims share: pure functions of what records hold."""
