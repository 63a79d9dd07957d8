"""Tests of the suite itself, in a folder for each package that they test."""
