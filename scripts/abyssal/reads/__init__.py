"""Raw reads to amplicon sequence variants, with an account of every read.

A library passes ``integrity`` → ``trim`` → ``merge`` → ``filtering`` (filter, dereplicate) on its own. The libraries
of a pool (the whole study, or one sample) then meet in ``denoise`` (UNOISE3, de-novo chimeras) and ``map_back``;
``table`` counts, ``controls`` removes tag jumps and what the controls explain, and ``ledger`` proves that no read
went missing.

Primers go before merging, because primer bases carry qualities but no biology; dereplication comes before everything
that compares sequences, because most reads are copies of few.
"""
