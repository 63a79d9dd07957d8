"""How results change over runs: the index of all runs, trends, triage."""
