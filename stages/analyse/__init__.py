"""Analysis of the captions themselves: lexical richness and topics."""
