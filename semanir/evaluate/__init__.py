"""Score, show and look into networks on whole test sets."""
