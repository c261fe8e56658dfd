"""What other programs read: one marker's results, or one classification, in their formats.

``source`` reads the results, ``lineages`` says what an ASV counts as, one module a family of formats writes them and
``write`` knows them all by name. Putative taxa count as taxa. Nothing depends on the clock.
"""
