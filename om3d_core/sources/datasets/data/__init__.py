"""Label sets and scene lists, one file a data set."""
