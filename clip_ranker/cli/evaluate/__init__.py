"""``evaluate`` on a terminal: what was asked, a table, a page."""
