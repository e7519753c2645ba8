"""Documentation pages, and the script that generates one of them."""
