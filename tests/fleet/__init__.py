"""Tests of checks on a cluster."""
