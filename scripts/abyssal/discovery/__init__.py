"""Putative taxa: groups of amplicons that the reference does not explain, with ids that stay put.

Order: fold error satellites into their parents, set aside off-target sequences, gate by distance to the reference,
cluster what is left, describe every cluster (exemplar, nearest named lineage, cohesion, separation, stability), lay out
the map.
"""
