"""Parts of every command line: the table of options, and commands that print short errors."""
