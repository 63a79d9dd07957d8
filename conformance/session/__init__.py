"""A conformance session: its options, its workers, and the run files that it writes and resumes."""
