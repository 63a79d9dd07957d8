"""Tests of the page, the history and the exports."""
