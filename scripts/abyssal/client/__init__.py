"""A small client of the inference service; needs neither torch nor scikit-learn."""
