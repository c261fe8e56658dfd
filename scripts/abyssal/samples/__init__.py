"""The sample sheet: its rows, its errors, a first one from a folder, and the checked list of libraries."""
