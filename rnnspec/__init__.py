"""The command ``rnnspec``: one module for each subcommand, which parses options and prints."""
