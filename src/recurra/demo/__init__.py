"""The demos: models learn from data that are on every machine, are scored, and a page is written about them."""
