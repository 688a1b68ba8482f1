"""How fast the library is, what it keeps and what it sends: a row a promise, each with its bar."""
