"""Sample sheets and folders of reads."""
