"""The commands; each parses first and imports what it needs inside itself."""
