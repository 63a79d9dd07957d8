"""Tests of conversions between frameworks' files."""
