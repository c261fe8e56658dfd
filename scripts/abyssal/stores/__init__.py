"""Where documents and objects are kept: an embedded default and the real thing behind one contract each."""
