"""The study's report: one HTML file that needs nothing beside it.

``inputs`` reads what the stages wrote, the ``*_section`` modules turn it into words, tables and figures, ``render``
puts them into the template. A figure is a plain mapping that plotly.js draws in the reader's browser; the library is
inlined once. Nothing here depends on the clock, so the same study gives the same bytes.
"""
